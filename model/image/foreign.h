/* Formats that are not read here, for the answer that refuses them. Pure. */
#ifndef CLASSIFYD_MODEL_IMAGE_FOREIGN_H
#define CLASSIFYD_MODEL_IMAGE_FOREIGN_H

#include "model/base/span.h"

/* "a HEIC image", "a PDF document", by the first bytes; static. NULL: not known. */
const char *foreign_name(struct span bytes);

#endif
