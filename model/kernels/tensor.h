/* The descriptor of one activation tensor in a plan. Nothing may assume dense NHWC: kernels say in
 * `supports` which layouts they read and write. */
#ifndef CLASSIFYD_MODEL_KERNELS_TENSOR_H
#define CLASSIFYD_MODEL_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum tensor_type { TENSOR_U8, TENSOR_F32 };

/* Element (n, y, x, c) lies `offset_bytes` into the tensor's buffer, plus, in elements,
 *   (n / interleave) * image_stride + y * row_stride + x * pixel_stride
 *   + (n % interleave) * (pixel_stride / interleave) + c.
 * What of image_stride is left behind the last row is padding: whole pixels, zero, which the step
 * that writes the tensor keeps zero. */
struct tensor {
    enum tensor_type type;
    uint32_t height_px, width_px, channels;
    uint32_t
        halo_px; /* zeroed pixels around the image, inside image_stride and before offset_bytes */
    uint32_t interleave; /* images whose pixels lie side by side: [y][x][n][c] */
    float scale;         /* real value of one step of an integer type; 1 for floating point */
    size_t pixel_stride, row_stride, image_stride; /* in elements */
    uint32_t buffer;                               /* which of the plan's activation buffers */
    size_t offset_bytes;                           /* of (0, 0, 0, 0) in it */
};

/* Whether an image is one run of pixels, as the rows of a GEMM's matrix: no halo, no gap between
 * rows, one image at a time. */
static inline bool tensor_is_matrix(const struct tensor *tensor)
{
    return tensor->type == TENSOR_F32 && tensor->halo_px == 0 && tensor->interleave == 1 &&
           tensor->row_stride == tensor->width_px * tensor->pixel_stride &&
           tensor->image_stride % tensor->pixel_stride == 0;
}

/* An image's pixels with its padding: the rows of that matrix. */
static inline size_t tensor_image_rows(const struct tensor *tensor)
{
    return tensor->image_stride / tensor->pixel_stride;
}

/* Element (image, y, 0, 0) of a float tensor that is not interleaved. */
static inline float *tensor_row_f32(const struct tensor *tensor, uint8_t *const *buffers,
                                    size_t image, size_t y)
{
    float *origin = (float *)(void *)(buffers[tensor->buffer] + tensor->offset_bytes);
    return origin + image * tensor->image_stride + y * tensor->row_stride;
}

/* Zeroes the padding behind an image's last row, as the step that writes the tensor must. */
static inline void tensor_clear_padding(const struct tensor *tensor, uint8_t *const *buffers,
                                        size_t image)
{
    size_t used = tensor->height_px * tensor->row_stride;
    if (tensor->halo_px == 0)
        memset(tensor_row_f32(tensor, buffers, image, tensor->height_px), 0,
               (tensor->image_stride - used) * sizeof(float));
}

#endif
