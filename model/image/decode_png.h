/* PNG by libpng. Alpha is dropped, gamma and colour profiles are ignored, 16 bits become their high
 * eight. Of an animated file the default image is read. */
#ifndef CLASSIFYD_MODEL_IMAGE_DECODE_PNG_H
#define CLASSIFYD_MODEL_IMAGE_DECODE_PNG_H

#include "model/base/span.h"
#include "model/image/image.h"

/* As decode_image; `ret_image` may be NULL, then only the header is read. */
MUST_CHECK enum status decode_png(struct span bytes, const struct image_limits *limits,
                                  struct image *ret_image, struct image_info *ret_info,
                                  struct error *error);

#endif
