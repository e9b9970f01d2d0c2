#include "model/kernels/generic/conv_u8_generic.h"

#include <assert.h>

#include "model/kernels/generic/conv_rows.h"
#include "model/kernels/requantize.h"

/* Packed: multiplier [out], offset [out], weight s8 [out, kernel, kernel, in/groups], projection s8
 * [out, projection channels]. */
struct packed {
    const float *multiplier, *offset;
    const int8_t *weight, *projection;
};

static struct packed unpack(const struct step *step)
{
    size_t out = step->output->channels;
    const float *multiplier = step->packed;
    const int8_t *weight = (const int8_t *)(multiplier + 2 * out);
    return (struct packed){multiplier, multiplier + out, weight,
                           weight + out * conv_rows_taps(step)};
}

static bool supports(const struct step *step)
{
    return (step->op == STEP_CONV || step->op == STEP_CONV_INPUT) &&
           step->arithmetic == STEP_INT8 && step->input->type == TENSOR_U8 &&
           (!step->projection || step->projection->type == TENSOR_U8);
}

static size_t packed_bytes(const struct step *step)
{
    return step->output->channels *
           (2 * sizeof(float) + conv_rows_taps(step) + conv_rows_projection_channels(step));
}

static float weight_scale(const struct step *step, size_t tap)
{
    return step->op == STEP_CONV_INPUT ? requantize_pixel_scale(step, tap % REQUANTIZE_RGB)
                                       : step->input->scale;
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels, count = conv_rows_taps(step),
           extra = conv_rows_projection_channels(step);
    float *multiplier = ret_packed, *offset = multiplier + out;
    int8_t *weight = (int8_t *)(offset + out), *projection = weight + out * count;
    for (size_t o = 0; o < out; o++) {
        float scale = weights->scale[o];
        for (size_t t = 0; t < count; t++)
            weight[o * count + t] =
                requantize_weight(weights->weight[o * count + t], weight_scale(step, t), scale);
        for (size_t c = 0; c < extra; c++)
            projection[o * extra + c] = requantize_weight(weights->projection[o * extra + c],
                                                          step->projection->scale, scale);
        double bias = (double)weights->bias[o];
        if (step->op == STEP_CONV_INPUT)
            bias += requantize_mean_bias(step, weight + o * count, count / REQUANTIZE_RGB, scale);
        multiplier[o] = requantize_multiplier(step, scale);
        offset[o] = requantize_offset(step, bias);
    }
}

static size_t scratch_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

/* The levels that tap (y, x) of an image shows the first step. */
static void read_slot(const struct step *step, const struct step_slot *slot, int64_t y, int64_t x,
                      uint8_t *ret_levels)
{
    bool is_inside = y >= 0 && y < step->input->height_px && x >= 0 && x < step->input->width_px;
    size_t index = is_inside ? ((size_t)y * step->input->width_px + (size_t)x) * REQUANTIZE_RGB : 0;
    for (size_t c = 0; c < REQUANTIZE_RGB; c++)
        if (!is_inside)
            ret_levels[c] = requantize_pixel_padding(step, c);
        else if (slot->type == TENSOR_U8)
            ret_levels[c] = ((const uint8_t *)slot->data)[index + c];
        else
            ret_levels[c] = requantize_pixel(step, ((const float *)slot->data)[index + c], c);
}

static int32_t dot(const uint8_t *levels, const int8_t *weights, size_t count)
{
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += levels[i] * weights[i];
    return sum;
}

/* Adds one tap of output pixel `out` to the sums of all channels. */
static void add_tap(const struct step_run *run, size_t image, int64_t y, int64_t x, size_t tap,
                    const int8_t *weight, int32_t *ret_sum, size_t o)
{
    const struct step *step = run->step;
    size_t in = conv_rows_group_channels(step), group = o / (step->output->channels / step->groups);
    const int8_t *row = weight + o * conv_rows_taps(step) + tap * in;
    if (step->op == STEP_CONV_INPUT) {
        uint8_t levels[REQUANTIZE_RGB];
        read_slot(step, &run->slots[image], y, x, levels);
        *ret_sum += dot(levels, row, REQUANTIZE_RGB);
    } else if (y >= 0 && y < step->input->height_px && x >= 0 && x < step->input->width_px) {
        *ret_sum += dot(tensor_pixel(step->input, run->buffers, run->first_image + image, (size_t)y,
                                     (size_t)x) +
                            group * in,
                        row, in);
    }
}

static int32_t sum_output(const struct step_run *run, const struct packed *packed, size_t image,
                          uint32_t y, uint32_t x, size_t o)
{
    const struct step *step = run->step;
    int32_t sum = 0;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++)
        for (uint32_t kx = 0; kx < step->kernel_px; kx++)
            add_tap(run, image, (int64_t)y * step->stride_px + ky - step->pad_px,
                    (int64_t)x * step->stride_px + kx - step->pad_px,
                    (size_t)ky * step->kernel_px + kx, packed->weight, &sum, o);
    if (step->projection)
        sum += dot(tensor_pixel(step->projection, run->buffers, run->first_image + image,
                                (size_t)y * step->projection_stride_px,
                                (size_t)x * step->projection_stride_px),
                   packed->projection + o * conv_rows_projection_channels(step),
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
    float residual_multiplier = requantize_residual_multiplier(step);
    for (size_t o = 0; o < step->output->channels; o++) {
        int32_t sum = sum_output(run, packed, image, y, x, o);
        float value = (float)sum * packed->multiplier[o];
        value = value + packed->offset[o];
        if (residual && step->residual->type == TENSOR_U8)
            value = value + (float)residual[o] * residual_multiplier;
        else if (residual)
            value = value + tensor_value(step->residual, residual, o) * residual_multiplier;
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

const struct kernel conv_u8_generic = {
    .name = "conv_u8_generic",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = conv_rows_units,
    .run = run,
};
