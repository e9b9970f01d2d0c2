#include "model/kernels/direct_conv_copy.h"

#include <string.h>

#include "model/kernels/direct_conv_pack.h"

enum { LINE_BYTES = 64 };

static bool has_type_of_steps(const struct direct_conv *conv, const struct tensor *tensor)
{
    return !conv->is_widened && tensor->type == step_tensor_type(conv->arithmetic);
}

bool direct_conv_copy_is_needed(const struct direct_conv *conv, const struct step *step)
{
    return !has_type_of_steps(conv, step->input);
}

static bool is_copyable(const struct direct_conv *conv, const struct tensor *tensor)
{
    if (conv->arithmetic == STEP_FLOAT32)
        return false;
    return tensor->type == TENSOR_U8 ||
           (tensor->type == TENSOR_BF16 && conv->arithmetic == STEP_BF16 && conv->is_widened);
}

bool direct_conv_copy_supports(const struct direct_conv *conv, const struct step *step)
{
    return is_copyable(conv, step->input) &&
           (!step->projection || is_copyable(conv, step->projection));
}

/* Whole K steps and cache lines, and an odd number of these: pixels a power of two apart would
 * share the sets of the first cache. */
static size_t pixel_bytes(const struct direct_conv *conv, const struct tensor *tensor)
{
    size_t elements = direct_conv_pack_elements(conv);
    size_t steps = (tensor->channels + elements - 1) / elements;
    return ((steps * DIRECT_CONV_STEP_BYTES + LINE_BYTES - 1) / LINE_BYTES | 1) * LINE_BYTES;
}

struct direct_conv_copy direct_conv_copy_layout(const struct direct_conv *conv,
                                                const struct step *step, size_t strip_px)
{
    struct direct_conv_copy copy = {
        .stride_px = step->kernel_px == 1 ? 1 : step->stride_px, /* what is not read stays out */
        .pixel_bytes = pixel_bytes(conv, step->input),
        .projection_bytes = step->projection ? pixel_bytes(conv, step->projection) : 0};
    size_t rows = strip_px / step->output->width_px + 2; /* the first and the last are cut */
    copy.plane_bytes = (strip_px * copy.stride_px + rows * step->kernel_px) * copy.pixel_bytes;
    return copy;
}

size_t direct_conv_copy_bytes(const struct direct_conv_copy *copy, const struct step *step,
                              size_t strip_px)
{
    return step->kernel_px * copy->plane_bytes + strip_px * copy->projection_bytes;
}

static void copy_u8_to_u16(const uint8_t *from, size_t count, uint16_t *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
}

static void copy_u8_to_bf16(const uint8_t *from, size_t count, uint16_t *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = bfloat16_of_f32((float)from[i]);
}

static void copy_u8_to_f32(const uint8_t *from, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i];
}

static void copy_bf16_to_f32(const uint16_t *from, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = bfloat16_to_f32(from[i]);
}

/* u8 levels and bfloat16 stay what they are: the wider types hold them exactly. A step's last
 * elements may be none of the pixel's, and are zero. */
static void copy_pixel(const struct direct_conv *conv, const struct tensor *tensor,
                       const uint8_t *from, uint8_t *to)
{
    uint16_t *halves = (uint16_t *)(void *)to;
    float *floats = (float *)(void *)to;
    size_t count = tensor->channels, elements = direct_conv_pack_elements(conv);
    if (count % elements != 0)
        memset(to + count / elements * DIRECT_CONV_STEP_BYTES, 0, DIRECT_CONV_STEP_BYTES);
    if (tensor->type == TENSOR_BF16)
        copy_bf16_to_f32((const uint16_t *)(const void *)from, count, floats);
    else if (conv->arithmetic == STEP_INT8)
        copy_u8_to_u16(from, count, halves);
    else if (conv->is_widened)
        copy_u8_to_f32(from, count, floats);
    else
        copy_u8_to_bf16(from, count, halves);
}

size_t direct_conv_copy_run(const struct direct_conv *conv, const struct direct_conv_copy *copy,
                            const struct step *step, uint8_t *scratch, size_t at, size_t used,
                            size_t count, const uint8_t **input, const uint8_t **projection)
{
    const struct tensor *tensor = step->input;
    size_t bytes = tensor_element_bytes(tensor->type);
    size_t from_px = step->kernel_px == 1 ? step->stride_px : 1;
    size_t width = (count - 1) * copy->stride_px + step->kernel_px;
    uint8_t *first = scratch + used * copy->pixel_bytes;
    for (size_t ky = 0; ky < step->kernel_px; ky++)
        for (size_t x = 0; x < width; x++)
            copy_pixel(conv, tensor,
                       input[at] +
                           (ky * tensor->row_stride + x * from_px * tensor->pixel_stride) * bytes,
                       first + ky * copy->plane_bytes + x * copy->pixel_bytes);
    for (size_t i = 0; i < count; i++)
        input[at + i] = first + i * copy->stride_px * copy->pixel_bytes;
    for (size_t i = 0; i < count && step->projection; i++) {
        uint8_t *to =
            scratch + step->kernel_px * copy->plane_bytes + (at + i) * copy->projection_bytes;
        copy_pixel(conv, step->projection, projection[at + i], to);
        projection[at + i] = to;
    }
    return used + width;
}
