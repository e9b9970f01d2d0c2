/* Max-pooling for one instruction set: a vector of a pixel's channels stays in a register over the
 * window. A pixel's last vector lies over the one before it where they do not fit side by side, so
 * that nothing behind the channels is read or written.
 *
 * Included by one .c file an instruction set, which defines before
 *   vector, VECTOR_BYTES
 *   vector vector_load(const uint8_t *from), void vector_store(uint8_t *to, vector value)
 *                                      at any address
 *   vector larger_u8(a, b), larger_s16(a, b)
 *   vector larger_f32(a, b)            a where it is larger, else b, beside a NaN too
 *   vector order_bf16(vector value)    bfloat16 as int16 of the same order, and back */
#ifndef CLASSIFYD_MODEL_KERNELS_MAX_POOL_TEMPLATE_H
#define CLASSIFYD_MODEL_KERNELS_MAX_POOL_TEMPLATE_H

#include <assert.h>

#include "model/kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))

static size_t no_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

static bool supports(const struct step *step)
{
    const struct tensor *input = step->input, *output = step->output;
    return step->op == STEP_MAX_POOL && input->type == output->type &&
           input->scale == output->scale && input->channels == output->channels &&
           input->channels * tensor_element_bytes(input->type) >= VECTOR_BYTES;
}

/* An output row of an image. */
static size_t units(const struct step *step, size_t images)
{
    return images * step->output->height_px;
}

/* What of the input an output pixel takes: rows of pixels inside the image. */
struct window {
    const uint8_t *first;
    size_t rows, row_pixels;       /* at least one of each */
    size_t row_bytes, pixel_bytes; /* from one to the next */
};

/* First and behind-last input of the kernel at `out`, inside 0 to `in_px`. */
static void clip(const struct step *step, uint32_t out, uint32_t in_px, size_t *ret_first,
                 size_t *ret_end)
{
    int64_t first = (int64_t)out * step->stride_px - step->pad_px;
    int64_t end = first + step->kernel_px;
    *ret_first = first > 0 ? (size_t)first : 0;
    *ret_end = end < in_px ? (size_t)end : in_px;
    assert(end > 0 && *ret_first < *ret_end);
}

/* The rows that output row `y` takes, from their first pixel on. */
static struct window find_rows(const struct step_run *run, size_t image, uint32_t y)
{
    const struct tensor *input = run->step->input;
    size_t element = tensor_element_bytes(input->type), top, bottom;
    clip(run->step, y, input->height_px, &top, &bottom);
    return (struct window){.first = tensor_pixel(input, run->buffers, image, top, 0),
                           .rows = bottom - top,
                           .row_pixels = input->width_px,
                           .row_bytes = input->row_stride * element,
                           .pixel_bytes = input->pixel_stride * element};
}

INLINE vector load_ordered(const uint8_t *from, enum tensor_type type)
{
    return type == TENSOR_BF16 ? order_bf16(vector_load(from)) : vector_load(from);
}

INLINE vector take_larger(vector most, vector value, enum tensor_type type)
{
    return type == TENSOR_U8     ? larger_u8(value, most)
           : type == TENSOR_BF16 ? larger_s16(value, most)
                                 : larger_f32(value, most);
}

/* Bytes `at` to `at` + VECTOR_BYTES - 1 of a pixel's channels. */
INLINE void pool_vector(const struct window *window, size_t at, enum tensor_type type, uint8_t *out)
{
    const uint8_t *row = window->first + at;
    vector most = load_ordered(row, type);
    for (size_t y = 0; y < window->rows; y++, row += window->row_bytes)
        for (size_t x = 0; x < window->row_pixels; x++)
            most = take_larger(most, load_ordered(row + x * window->pixel_bytes, type), type);
    vector_store(out + at, type == TENSOR_BF16 ? order_bf16(most) : most);
}

INLINE void pool_row(const struct step_run *run, size_t image, uint32_t y, enum tensor_type type)
{
    const struct tensor *output = run->step->output;
    const struct window rows = find_rows(run, image, y);
    size_t out_bytes = output->pixel_stride * tensor_element_bytes(type), left, right;
    size_t last = output->channels * tensor_element_bytes(type) - VECTOR_BYTES;
    uint8_t *out = tensor_pixel(output, run->buffers, image, y, 0);
    for (uint32_t x = 0; x < output->width_px; x++, out += out_bytes) {
        struct window window = rows;
        clip(run->step, x, run->step->input->width_px, &left, &right);
        window.first += left * window.pixel_bytes;
        window.row_pixels = right - left;
        for (size_t at = 0; at < last; at += VECTOR_BYTES)
            pool_vector(&window, at, type, out);
        pool_vector(&window, last, type, out);
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    const struct tensor *output = run->step->output;
    assert(supports(run->step) && last <= units(run->step, run->images));
    for (size_t unit = first; unit < last; unit++) {
        size_t image = run->first_image + unit / output->height_px;
        uint32_t y = (uint32_t)(unit % output->height_px);
        if (output->type == TENSOR_U8)
            pool_row(run, image, y, TENSOR_U8);
        else if (output->type == TENSOR_BF16)
            pool_row(run, image, y, TENSOR_BF16);
        else
            pool_row(run, image, y, TENSOR_F32);
        if (y + 1 == output->height_px)
            tensor_clear_padding(output, run->buffers, image);
    }
}

#define MAX_POOL_KERNEL(kernel_name)                                                               \
    const struct kernel kernel_name = {                                                            \
        .name = #kernel_name,                                                                      \
        .supports = supports,                                                                      \
        .packed_bytes = no_bytes,                                                                  \
        .pack = NULL,                                                                              \
        .scratch_bytes = no_bytes,                                                                 \
        .units = units,                                                                            \
        .run = run,                                                                                \
    }

#endif
