/* The plain data that the image folder passes around: pixels, what a file said of itself, limits.
 */
#ifndef CLASSIFYD_MODEL_IMAGE_IMAGE_H
#define CLASSIFYD_MODEL_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

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

struct image_info {
    enum image_format format;
    uint32_t width_px, height_px; /* as stored in the file, before orientation */
    unsigned orientation;         /* EXIF 1..8; 1 where the file says nothing or nonsense */
};

/* Judged from the header, before anything is allocated for pixels. */
struct image_limits {
    uint32_t max_dimension_px;
    uint64_t max_pixels;
};

#endif
