/* The descriptor of one activation tensor in a plan. Nothing may assume dense NHWC: kernels say in
 * `supports` which layouts they read and write. */
#ifndef CLASSIFYD_MODEL_KERNELS_TENSOR_H
#define CLASSIFYD_MODEL_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/base/bfloat16.h"

enum tensor_type { TENSOR_U8, TENSOR_F32, TENSOR_BF16 };

/* Element (n, y, x, c) lies `offset_bytes` into the tensor's buffer, plus, in elements,
 *   n * image_stride + y * row_stride + x * pixel_stride + c.
 * A halo is zero and nobody writes it: the buffer of a tensor with one holds no other geometry.
 * Padding behind the last row is zero, too, and the step that writes the tensor keeps it so. What
 * of pixel_stride is left behind the channels may be read and holds anything, and so may what of
 * image_stride is left behind all that. */
struct tensor {
    enum tensor_type type;
    uint32_t height_px, width_px, channels;
    uint32_t halo_px; /* zeroed pixels around the image, inside image_stride and before
                         offset_bytes */
    float scale;      /* real value of one step of TENSOR_U8, whose zero is 0; 1 otherwise */
    size_t pixel_stride, row_stride, image_stride; /* in elements */
    size_t padding;      /* elements behind an image's last row: whole pixels; 0 with a halo */
    uint32_t buffer;     /* which of the plan's activation buffers */
    size_t offset_bytes; /* of (0, 0, 0, 0) in it */
};

static inline size_t tensor_element_bytes(enum tensor_type type)
{
    return type == TENSOR_F32 ? 4 : type == TENSOR_BF16 ? 2 : 1;
}

/* Whether an image is one run of pixels, as the rows of a GEMM's matrix: no halo, no gap between
 * rows. */
static inline bool tensor_is_matrix(const struct tensor *tensor)
{
    return tensor->type == TENSOR_F32 && tensor->halo_px == 0 &&
           tensor->row_stride == tensor->width_px * tensor->pixel_stride &&
           tensor->image_stride % tensor->pixel_stride == 0;
}

/* An image's pixels with its padding: the rows of that matrix. */
static inline size_t tensor_image_rows(const struct tensor *tensor)
{
    return tensor->image_stride / tensor->pixel_stride;
}

/* Element (image, y, x, 0) of a tensor of any type. */
static inline uint8_t *tensor_pixel(const struct tensor *tensor, uint8_t *const *buffers,
                                    size_t image, size_t y, size_t x)
{
    return buffers[tensor->buffer] + tensor->offset_bytes +
           (image * tensor->image_stride + y * tensor->row_stride + x * tensor->pixel_stride) *
               tensor_element_bytes(tensor->type);
}

/* Element (image, y, 0, 0) of a float32 tensor. */
static inline float *tensor_row_f32(const struct tensor *tensor, uint8_t *const *buffers,
                                    size_t image, size_t y)
{
    return (float *)(void *)tensor_pixel(tensor, buffers, image, y, 0);
}

/* The real value of element `index` of a pixel of that tensor. */
static inline float tensor_value(const struct tensor *tensor, const void *pixel, size_t index)
{
    if (tensor->type == TENSOR_F32)
        return ((const float *)pixel)[index];
    if (tensor->type == TENSOR_BF16)
        return bfloat16_to_f32(((const uint16_t *)pixel)[index]);
    return (float)((const uint8_t *)pixel)[index] * tensor->scale;
}

/* Whether two tensors take the same places of a buffer, so that one may be written over the other
 * element by element. */
static inline bool tensor_has_geometry_of(const struct tensor *tensor, const struct tensor *other)
{
    return tensor->type == other->type && tensor->height_px == other->height_px &&
           tensor->width_px == other->width_px && tensor->channels == other->channels &&
           tensor->halo_px == other->halo_px && tensor->pixel_stride == other->pixel_stride &&
           tensor->row_stride == other->row_stride && tensor->padding == other->padding &&
           tensor->offset_bytes == other->offset_bytes;
}

/* Zeroes the padding behind an image's last row, as the step that writes the tensor must. */
static inline void tensor_clear_padding(const struct tensor *tensor, uint8_t *const *buffers,
                                        size_t image)
{
    if (tensor->padding > 0)
        memset(tensor_pixel(tensor, buffers, image, tensor->height_px, 0), 0,
               tensor->padding * tensor_element_bytes(tensor->type));
}

#endif
