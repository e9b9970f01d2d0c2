#include "model/kernels/generic/conv_f32_generic.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/generic/transpose_f32.h"

/* Packed: bias [out], projection [projection channels, out], weight [kernel, kernel, in/groups,
 * out]: with the output channels innermost, the sum of one input value over all of them is one pass
 * over memory. */
struct packed {
    const float *bias, *projection, *weight;
};

static size_t projection_channels(const struct step *step)
{
    return step->projection ? step->projection->channels : 0;
}

static size_t taps(const struct step *step)
{
    return (size_t)step->kernel_px * step->kernel_px * (step->input->channels / step->groups);
}

static struct packed unpack(const struct step *step)
{
    size_t out = step->output->channels;
    const float *bias = step->packed;
    const float *projection = bias + out;
    return (struct packed){bias, projection, projection + projection_channels(step) * out};
}

static bool supports(const struct step *step)
{
    return step->op == STEP_CONV && step->arithmetic == STEP_FLOAT32 &&
           step->input->type == TENSOR_F32 && step->output->type == TENSOR_F32 &&
           (!step->residual || step->residual->type == TENSOR_F32) &&
           (!step->projection || step->projection->type == TENSOR_F32);
}

static size_t packed_bytes(const struct step *step)
{
    return (1 + projection_channels(step) + taps(step)) * step->output->channels * sizeof(float);
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels;
    float *to = ret_packed;
    memcpy(to, weights->bias, out * sizeof *to);
    to += out;
    if (step->projection)
        transpose_f32(weights->projection, out, projection_channels(step), to);
    to += projection_channels(step) * out;
    transpose_f32(weights->weight, out, taps(step), to);
}

/* One pixel's sums over all output channels. */
static size_t scratch_bytes(const struct step *step)
{
    return step->output->channels * sizeof(float);
}

static size_t units(const struct step *step, size_t images)
{
    return images * step->output->height_px;
}

/* sums[o] += value * weight[o] */
static void accumulate(float *sums, float value, const float *weight, size_t count)
{
    for (size_t o = 0; o < count; o++)
        sums[o] += value * weight[o];
}

/* Adds the taps of output pixel (y, x); those outside the image are zero and left out. */
static void add_taps(const struct step_run *run, size_t image, uint32_t y, uint32_t x,
                     const float *weight, float *sums)
{
    const struct step *step = run->step;
    const struct tensor *input = step->input;
    size_t out = step->output->channels, group_out = out / step->groups;
    size_t group_in = input->channels / step->groups;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++) {
        int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
        for (uint32_t kx = 0; kx < step->kernel_px; kx++) {
            int64_t in_x = (int64_t)x * step->stride_px + kx - step->pad_px;
            if (in_y < 0 || in_y >= input->height_px || in_x < 0 || in_x >= input->width_px)
                continue;
            const float *pixel = tensor_row_f32(input, run->buffers, image, (size_t)in_y) +
                                 (size_t)in_x * input->pixel_stride;
            const float *tap = weight + (ky * step->kernel_px + kx) * group_in * out;
            for (size_t c = 0; c < input->channels; c++) {
                size_t group = c / group_in;
                accumulate(sums + group * group_out, pixel[c],
                           tap + c % group_in * out + group * group_out, group_out);
            }
        }
    }
}

static void add_projection(const struct step_run *run, size_t image, uint32_t y, uint32_t x,
                           const float *weight, float *sums)
{
    const struct step *step = run->step;
    const struct tensor *input = step->projection;
    const float *pixel =
        tensor_row_f32(input, run->buffers, image, (size_t)y * step->projection_stride_px) +
        (size_t)x * step->projection_stride_px * input->pixel_stride;
    for (size_t c = 0; c < input->channels; c++)
        accumulate(sums, pixel[c], weight + c * step->output->channels, step->output->channels);
}

/* out = relu?(sums + residual? + bias) */
static void finish(const struct step *step, const float *sums, const float *bias,
                   const float *residual, float *out)
{
    for (size_t o = 0; o < step->output->channels; o++) {
        float value = sums[o] + (residual ? residual[o] : 0.0f) + bias[o];
        out[o] = step->has_relu && value < 0.0f ? 0.0f : value;
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    const struct step *step = run->step;
    const struct tensor *output = step->output;
    assert(supports(step) && last <= units(step, run->images));
    struct packed packed = unpack(step);
    for (size_t unit = first; unit < last; unit++) {
        size_t image = run->first_image + unit / output->height_px;
        uint32_t y = (uint32_t)(unit % output->height_px);
        float *row = tensor_row_f32(output, run->buffers, image, y);
        const float *residual =
            step->residual ? tensor_row_f32(step->residual, run->buffers, image, y) : NULL;
        for (uint32_t x = 0; x < output->width_px; x++) {
            memset(scratch, 0, scratch_bytes(step));
            add_taps(run, image, y, x, packed.weight, scratch);
            if (step->projection)
                add_projection(run, image, y, x, packed.projection, scratch);
            finish(step, scratch, packed.bias,
                   residual ? residual + x * step->residual->pixel_stride : NULL,
                   row + x * output->pixel_stride);
        }
        if (y + 1 == output->height_px)
            tensor_clear_padding(output, run->buffers, image);
    }
}

const struct kernel conv_f32_generic = {
    .name = "conv_f32_generic",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
