/* What a PNG file says beside its pixels: the EXIF block and the texts that may hold one. */
#ifndef CLASSIFYD_MODEL_IMAGE_PNG_METADATA_H
#define CLASSIFYD_MODEL_IMAGE_PNG_METADATA_H

#include "model/base/span.h"

/* The orientation 1..8 of a PNG file, found as PIL finds it: the EXIF chunk, else ImageMagick's
 * "Raw profile type exif", else XMP; of several the last. 1 where there is none or it is broken.
 * Reads no further than the first thing that is not a chunk. Any thread; unpacks at most 1 MiB. */
unsigned png_metadata_orientation(struct span file);

#endif
