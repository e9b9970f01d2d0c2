/* What bytes look like that are no image we read, in words: for the answer that refuses them. Pure.
 */
#ifndef CLASSIFYD_SERVER_API_MEDIA_H
#define CLASSIFYD_SERVER_API_MEDIA_H

#include "model/base/span.h"

/* "a TIFF image", "text that begins \"Hello\"", "bytes that begin 00 01 02 03". */
void media_describe(struct span bytes, char *ret_text, size_t size);

#endif
