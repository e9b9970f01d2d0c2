/* The plain data that the image folder passes around: pixels, what a file said of itself, limits.
 */
#ifndef CLASSIFYD_MODEL_IMAGE_IMAGE_H
#define CLASSIFYD_MODEL_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"

enum image_format {
    IMAGE_FORMAT_JPEG,
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_WEBP,
    IMAGE_FORMAT_BMP,
    IMAGE_FORMAT_GIF
};

struct image {
    uint32_t width_px, height_px;
    uint8_t *pixels; /* [height, width, 3] RGB, dense; owned by the holder, freed with free() */
};

/* A part of a stored image. */
struct image_window {
    uint32_t x_px, y_px, width_px, height_px;
};

struct image_info {
    enum image_format format;
    uint32_t width_px, height_px; /* as stored in the file, before orientation */
    unsigned orientation;         /* EXIF 1..8; 1 where the file says nothing or nonsense */
    uint64_t decode_bytes; /* held at most while decoding: the pixels, except of a format that
                              is decoded row by row, and what the library needs beside */
};

/* Judged from the header, before anything is allocated for pixels. */
struct image_limits {
    uint32_t max_dimension_px;
    uint64_t max_pixels;
};

/* Whether an image of this size may be decoded: STATUS_NOT_DECODABLE without a pixel,
 * STATUS_TOO_LARGE over a limit. Any thread. */
MUST_CHECK enum status image_check_limits(uint64_t width_px, uint64_t height_px,
                                          const struct image_limits *limits, struct error *error);

/* width x height x bytes_per_px + more; UINT64_MAX where that does not fit. Any thread. */
uint64_t image_decode_bytes(uint32_t width_px, uint32_t height_px, unsigned bytes_per_px,
                            uint64_t more_bytes);

/* Allocates black pixels; the size has passed image_check_limits. Fails with STATUS_NO_MEMORY.
 * `ret_image` is to be given to image_fini. Any thread. */
MUST_CHECK enum status image_init(uint32_t width_px, uint32_t height_px, struct image *ret_image,
                                  struct error *error);

/* Frees the pixels; accepts a zeroed struct. */
void image_fini(struct image *image);

#endif
