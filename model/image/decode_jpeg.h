/* JPEG by libjpeg-turbo, with PIL's settings: accurate integer DCT, fancy upsampling. */
#ifndef CLASSIFYD_MODEL_IMAGE_DECODE_JPEG_H
#define CLASSIFYD_MODEL_IMAGE_DECODE_JPEG_H

#include "model/base/span.h"
#include "model/image/decode_sink.h"
#include "model/image/image.h"

/* As decode_image; `ret_image` may be NULL, then only the header is read. */
MUST_CHECK enum status decode_jpeg(struct span bytes, const struct image_limits *limits,
                                   struct image *ret_image, struct image_info *ret_info,
                                   struct error *error);

/* As decode_rows. */
MUST_CHECK enum status decode_jpeg_rows(struct span bytes, const struct image_limits *limits,
                                        uint32_t min_side_px, const struct decode_sink *sink,
                                        struct image_info *ret_info, struct error *error);

#endif
