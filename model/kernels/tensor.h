/* The descriptor of one activation tensor in a plan. Nothing may assume dense NHWC: kernels say in
 * `supports` which layouts they read and write. */
#ifndef CLASSIFYD_MODEL_KERNELS_TENSOR_H
#define CLASSIFYD_MODEL_KERNELS_TENSOR_H

#include <stddef.h>
#include <stdint.h>

enum tensor_type { TENSOR_U8, TENSOR_F32 };

/* Element (n, y, x, c) lies `offset_bytes` into the activation memory, plus, in elements,
 *   (n / interleave) * image_stride + y * row_stride + x * pixel_stride
 *   + (n % interleave) * (pixel_stride / interleave) + c. */
struct tensor {
    enum tensor_type type;
    uint32_t height_px, width_px, channels;
    uint32_t
        halo_px; /* zeroed pixels around the image, inside image_stride, before offset_bytes too */
    uint32_t interleave; /* images whose pixels lie side by side: [y][x][n][c] */
    float scale;         /* real value of one step of an integer type; 1 for floating point */
    size_t pixel_stride, row_stride, image_stride; /* in elements */
    size_t offset_bytes;                           /* of (0, 0, 0, 0) in the activation memory */
};

#endif
