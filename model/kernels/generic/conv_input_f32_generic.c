#include "model/kernels/generic/conv_input_f32_generic.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/generic/transpose_f32.h"

enum { RGB = 3 };

/* Packed: bias [out], weight [kernel, kernel, 3, out]. */

static bool supports(const struct step *step)
{
    return step->op == STEP_CONV_INPUT && step->arithmetic == STEP_FLOAT32 &&
           step->output->type == TENSOR_F32 && step->groups == 1 && !step->residual &&
           !step->projection;
}

static size_t taps(const struct step *step)
{
    return (size_t)step->kernel_px * step->kernel_px * RGB;
}

static size_t packed_bytes(const struct step *step)
{
    return (1 + taps(step)) * step->output->channels * sizeof(float);
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels;
    float *to = ret_packed;
    memcpy(to, weights->bias, out * sizeof *to);
    transpose_f32(weights->weight, out, taps(step), to + out);
}

static size_t scratch_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

static size_t units(const struct step *step, size_t images)
{
    return images * step->output->height_px;
}

static float input_value(const struct step *step, const struct step_slot *slot, size_t index)
{
    if (slot->type == TENSOR_F32)
        return ((const float *)slot->data)[index];
    float scaled = (float)((const uint8_t *)slot->data)[index] / 255.0f;
    return (scaled - step->mean[index % RGB]) / step->std[index % RGB];
}

static void run_pixel(const struct step *step, const struct step_slot *slot, uint32_t y, uint32_t x,
                      float *sums)
{
    const float *bias = step->packed, *weight = bias + step->output->channels;
    size_t out = step->output->channels;
    memset(sums, 0, out * sizeof *sums);
    for (uint32_t ky = 0; ky < step->kernel_px; ky++) {
        int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
        for (uint32_t kx = 0; kx < step->kernel_px; kx++) {
            int64_t in_x = (int64_t)x * step->stride_px + kx - step->pad_px;
            if (in_y < 0 || in_y >= step->input->height_px || in_x < 0 ||
                in_x >= step->input->width_px)
                continue;
            size_t pixel = (size_t)in_y * step->input->width_px + (size_t)in_x;
            for (size_t c = 0; c < RGB; c++) {
                float value = input_value(step, slot, pixel * RGB + c);
                const float *tap = weight + ((ky * step->kernel_px + kx) * RGB + c) * out;
                for (size_t o = 0; o < out; o++)
                    sums[o] += value * tap[o];
            }
        }
    }
    for (size_t o = 0; o < out; o++) {
        float value = sums[o] + bias[o];
        sums[o] = step->has_relu && value < 0.0f ? 0.0f : value;
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    const struct step *step = run->step;
    const struct tensor *output = step->output;
    assert(supports(step) && last <= units(step, run->images));
    for (size_t unit = first; unit < last; unit++) {
        size_t slot = unit / output->height_px;
        uint32_t y = (uint32_t)(unit % output->height_px);
        float *row = tensor_row_f32(output, run->buffers, run->first_image + slot, y);
        for (uint32_t x = 0; x < output->width_px; x++)
            run_pixel(step, &run->slots[slot], y, x, row + x * output->pixel_stride);
        if (y + 1 == output->height_px)
            tensor_clear_padding(output, run->buffers, run->first_image + slot);
    }
}

const struct kernel conv_input_f32_generic = {
    .name = "conv_input_f32_generic",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
