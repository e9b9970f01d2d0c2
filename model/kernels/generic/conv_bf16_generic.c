#include "model/kernels/generic/conv_bf16_generic.h"

#include <assert.h>

#include "model/kernels/generic/conv_rows.h"
#include "model/kernels/requantize.h"

/* Packed: offset [out], then as bfloat16 weight [out, kernel, kernel, in/groups] and projection
 * [out, projection channels]. */
struct packed {
    const float *offset;
    const uint16_t *weight, *projection;
};

static struct packed unpack(const struct step *step)
{
    size_t out = step->output->channels;
    const float *offset = step->packed;
    const uint16_t *weight = (const uint16_t *)(const void *)(offset + out);
    return (struct packed){offset, weight, weight + out * conv_rows_taps(step)};
}

static bool supports(const struct step *step)
{
    return (step->op == STEP_CONV || step->op == STEP_CONV_INPUT) &&
           step->arithmetic == STEP_BF16 && step->input->type != TENSOR_F32 &&
           (!step->projection || step->projection->type != TENSOR_F32);
}

static size_t packed_bytes(const struct step *step)
{
    return step->output->channels *
           (sizeof(float) +
            (conv_rows_taps(step) + conv_rows_projection_channels(step)) * sizeof(uint16_t));
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels, count = out * conv_rows_taps(step),
           extra = out * conv_rows_projection_channels(step);
    float *offset = ret_packed;
    uint16_t *weight = (uint16_t *)(void *)(offset + out), *projection = weight + count;
    float scale = step->op == STEP_CONV_INPUT ? 1.0f : step->input->scale;
    for (size_t o = 0; o < out; o++)
        offset[o] = requantize_offset(step, (double)weights->bias[o]);
    for (size_t i = 0; i < count; i++)
        weight[i] = bfloat16_of_f32(weights->weight[i] * scale);
    for (size_t i = 0; i < extra; i++)
        projection[i] = bfloat16_of_f32(weights->projection[i] * step->projection->scale);
}

static size_t scratch_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

/* Channel `c` of an input pixel in steps of its scale. */
static float input_steps(const struct tensor *input, const uint8_t *pixel, size_t c)
{
    return input->type == TENSOR_U8 ? (float)pixel[c] : tensor_value(input, pixel, c);
}

static float slot_value(const struct step *step, const struct step_slot *slot, size_t index)
{
    float value = slot->type == TENSOR_F32 ? ((const float *)slot->data)[index]
                                           : ((float)((const uint8_t *)slot->data)[index] / 255.0f -
                                              step->mean[index % REQUANTIZE_RGB]) /
                                                 step->std[index % REQUANTIZE_RGB];
    return bfloat16_to_f32(bfloat16_of_f32(value));
}

static float dot_slot(const struct step *step, const struct step_slot *slot, size_t index,
                      const uint16_t *weights)
{
    float sum = 0;
    for (size_t c = 0; c < REQUANTIZE_RGB; c++)
        sum += slot_value(step, slot, index + c) * bfloat16_to_f32(weights[c]);
    return sum;
}

static float dot(const struct tensor *input, const uint8_t *pixel, size_t first,
                 const uint16_t *weights, size_t count)
{
    float sum = 0;
    for (size_t c = 0; c < count; c++)
        sum += input_steps(input, pixel, first + c) * bfloat16_to_f32(weights[c]);
    return sum;
}

static float sum_output(const struct step_run *run, const struct packed *packed, size_t image,
                        uint32_t y, uint32_t x, size_t o)
{
    const struct step *step = run->step;
    const struct tensor *input = step->input;
    size_t in = conv_rows_group_channels(step), group = o / (step->output->channels / step->groups);
    const uint16_t *weights = packed->weight + o * conv_rows_taps(step);
    float sum = 0;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++)
        for (uint32_t kx = 0; kx < step->kernel_px; kx++, weights += in) {
            int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
            int64_t in_x = (int64_t)x * step->stride_px + kx - step->pad_px;
            if (in_y < 0 || in_y >= input->height_px || in_x < 0 || in_x >= input->width_px)
                continue;
            if (step->op == STEP_CONV_INPUT)
                sum += dot_slot(step, &run->slots[image],
                                ((size_t)in_y * input->width_px + (size_t)in_x) * REQUANTIZE_RGB,
                                weights);
            else
                sum += dot(input,
                           tensor_pixel(input, run->buffers, run->first_image + image, (size_t)in_y,
                                        (size_t)in_x),
                           group * in, weights, in);
        }
    if (step->projection)
        sum += dot(step->projection,
                   tensor_pixel(step->projection, run->buffers, run->first_image + image,
                                (size_t)y * step->projection_stride_px,
                                (size_t)x * step->projection_stride_px),
                   0, packed->projection + o * conv_rows_projection_channels(step),
                   conv_rows_projection_channels(step));
    return sum;
}

static void run_pixel(const struct step_run *run, const void *own, size_t image, uint32_t y,
                      uint32_t x)
{
    const struct packed *packed = own;
    const struct step *step = run->step;
    size_t place = run->first_image + image;
    uint8_t *out = tensor_pixel(step->output, run->buffers, place, y, x);
    const uint8_t *residual =
        step->residual ? tensor_pixel(step->residual, run->buffers, place, y, x) : NULL;
    float multiplier = requantize_multiplier(step, 1.0f);
    for (size_t o = 0; o < step->output->channels; o++) {
        float value = sum_output(run, packed, image, y, x, o) * multiplier + packed->offset[o];
        if (residual)
            value += tensor_value(step->residual, residual, o) * multiplier;
        requantize_store(step->output, out, o, step->has_relu && value < 0.0f ? 0.0f : value);
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    assert(supports(run->step));
    struct packed packed = unpack(run->step);
    conv_rows_run(run, first, last, run_pixel, &packed);
}

const struct kernel conv_bf16_generic = {
    .name = "conv_bf16_generic",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = conv_rows_units,
    .run = run,
};
