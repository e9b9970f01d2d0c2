/* BMP and GIF (the first frame) by stb_image, which only ever sees small plain files that are made
 * here out of headers that have passed our own checks. */
#ifndef CLASSIFYD_MODEL_IMAGE_DECODE_STB_H
#define CLASSIFYD_MODEL_IMAGE_DECODE_STB_H

#include "model/base/span.h"
#include "model/image/image.h"

/* As decode_image; `ret_image` may be NULL, then only the header is read. */
MUST_CHECK enum status decode_stb_bmp(struct span bytes, const struct image_limits *limits,
                                      struct image *ret_image, struct image_info *ret_info,
                                      struct error *error);

MUST_CHECK enum status decode_stb_gif(struct span bytes, const struct image_limits *limits,
                                      struct image *ret_image, struct image_info *ret_info,
                                      struct error *error);

#endif
