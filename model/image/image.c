#include "model/image/image.h"

#include <inttypes.h>
#include <stdlib.h>

#include "model/base/alloc.h"

enum status image_check_limits(uint64_t width_px, uint64_t height_px,
                               const struct image_limits *limits, struct error *error)
{
    if (width_px == 0 || height_px == 0)
        return error_set(error, STATUS_NOT_DECODABLE, "the image has no pixels");
    if (width_px > limits->max_dimension_px || height_px > limits->max_dimension_px)
        return error_set(error, STATUS_TOO_LARGE,
                         "the image is %" PRIu64 " x %" PRIu64 " px, at most %" PRIu32
                         " px a side are taken",
                         width_px, height_px, limits->max_dimension_px);
    /* Neither side is over 32 bits, so the product fits. */
    if (width_px * height_px > limits->max_pixels)
        return error_set(error, STATUS_TOO_LARGE,
                         "the image has %" PRIu64 " pixels, at most %" PRIu64 " are taken",
                         width_px * height_px, limits->max_pixels);
    return STATUS_OK;
}

uint64_t image_decode_bytes(uint32_t width_px, uint32_t height_px, unsigned bytes_per_px,
                            uint64_t more_bytes)
{
    uint64_t bytes;
    if (__builtin_mul_overflow((uint64_t)width_px * height_px, bytes_per_px, &bytes) ||
        __builtin_add_overflow(bytes, more_bytes, &bytes))
        return UINT64_MAX;
    return bytes;
}

enum status image_init(uint32_t width_px, uint32_t height_px, struct image *ret_image,
                       struct error *error)
{
    size_t count;
    uint8_t *pixels = NULL;
    if (checked_mul(width_px, height_px, &count))
        pixels = alloc_array(count, 3, SIZE_MAX);
    if (!pixels)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu32 " x %" PRIu32 " pixels",
                         width_px, height_px);
    *ret_image = (struct image){width_px, height_px, pixels};
    return STATUS_OK;
}

void image_fini(struct image *image)
{
    free(image->pixels);
    *image = (struct image){0};
}
