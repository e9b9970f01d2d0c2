/* A file's bytes into RGB pixels, the same as PIL's Image.open(...).convert("RGB") gives.
 *
 * The format is told from the first bytes and from nothing else. One decode_<library>.c a library.
 */
#ifndef CLASSIFYD_MODEL_IMAGE_DECODE_H
#define CLASSIFYD_MODEL_IMAGE_DECODE_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/base/status.h"
#include "model/image/decode_sink.h"
#include "model/image/image.h"

/* "jpeg", "png", "webp", "bmp", "gif". */
const char *decode_format_name(enum image_format format);

/* Whether the bytes begin like an image that we read. */
bool decode_sniff(struct span bytes, enum image_format *ret_format);

/* Reads the header only: format, size, orientation. Fails with STATUS_UNSUPPORTED (not an image, or
 * a kind that is not read), STATUS_NOT_DECODABLE, STATUS_TOO_LARGE. Any thread. */
MUST_CHECK enum status decode_header(struct span bytes, const struct image_limits *limits,
                                     struct image_info *ret_info, struct error *error);

/* Decodes the whole image as stored (orientation not applied). `ret_image->pixels` is returned
 * owned. Fails as decode_header does; a truncated file is STATUS_NOT_DECODABLE. Any thread; does
 * not log. */
MUST_CHECK enum status decode_image(struct span bytes, const struct image_limits *limits,
                                    struct image *ret_image, struct image_info *ret_info,
                                    struct error *error);

/* Decodes what `sink` wants, row by row where the format is decoded so. `min_side_px` 0: exactly;
 * else a JPEG's DCT may be scaled to halves or quarters as long as its shorter side has that many
 * pixels. Fails as decode_image does, also for what lies outside the wanted pixels, and as the sink
 * says. The sink's user is called from this thread only. */
MUST_CHECK enum status decode_rows(struct span bytes, const struct image_limits *limits,
                                   uint32_t min_side_px, const struct decode_sink *sink,
                                   struct image_info *ret_info, struct error *error);

/* Whether a format is decoded row by row, without memory for all pixels. Pure. */
bool decode_is_by_rows(enum image_format format);

#endif
