#include "model/net/recompute.h"

#include <math.h>

#include "model/kernels/requantize.h"

float recompute_element(const struct tensor *tensor, uint8_t *const *buffers,
                        struct recompute_place place)
{
    const uint8_t *pixel = tensor_pixel(tensor, buffers, place.image, place.y, place.x);
    return tensor_value(tensor, pixel, place.channel);
}

/* A pixel level once normalised, channel `c`. */
static double normalised(const struct step *step, double level, size_t c)
{
    return (level / 255.0 - (double)step->mean[c]) / (double)step->std[c];
}

/* Of a batch slot, as the first step reads it. */
static double slot_element(const struct step_run *run, struct recompute_place place)
{
    const struct step *step = run->step;
    const struct step_slot *slot = &run->slots[place.image - run->first_image];
    size_t c = place.channel;
    size_t index = ((size_t)place.y * step->input->width_px + place.x) * REQUANTIZE_RGB + c;
    double value = slot->type == TENSOR_F32
                       ? (double)((const float *)slot->data)[index]
                       : normalised(step, (double)((const uint8_t *)slot->data)[index], c);
    if (step->arithmetic == STEP_BF16)
        return (double)bfloat16_to_f32(bfloat16_of_f32((float)value));
    if (step->arithmetic == STEP_INT8 && slot->type == TENSOR_F32)
        return normalised(step, (double)requantize_pixel(step, (float)value, c), c);
    return value;
}

/* Of what lies outside the image. */
static double padding_element(const struct step_run *run, size_t c)
{
    const struct step *step = run->step;
    return step->op == STEP_CONV_INPUT && step->arithmetic == STEP_INT8
               ? normalised(step, (double)requantize_pixel_padding(step, c), c)
               : 0.0;
}

static double input_element(const struct step_run *run, struct recompute_place place)
{
    return run->step->op == STEP_CONV_INPUT
               ? slot_element(run, place)
               : (double)recompute_element(run->step->input, run->buffers, place);
}

static void add(struct recompute_result *sum, double term)
{
    sum->value += term;
    sum->magnitude += fabs(term);
}

/* Products of a tensor's elements from `place` on with `count` weights. Of float32, several sums at
 * a time: one alone waits for itself. */
static void add_pixel(const struct tensor *tensor, uint8_t *const *buffers,
                      struct recompute_place place, const float *weight, uint32_t count,
                      struct recompute_result *sum)
{
    enum { SUMS = 4 };
    const uint8_t *pixel = tensor_pixel(tensor, buffers, place.image, place.y, place.x);
    const float *values = (const float *)(const void *)pixel + place.channel;
    double value[SUMS] = {0}, magnitude[SUMS] = {0};
    uint32_t c = 0;
    for (; tensor->type == TENSOR_F32 && c + SUMS <= count; c += SUMS)
        for (uint32_t i = 0; i < SUMS; i++) {
            double term = (double)values[c + i] * (double)weight[c + i];
            value[i] += term;
            magnitude[i] += fabs(term);
        }
    for (uint32_t i = 0; i < SUMS; i++) {
        sum->value += value[i];
        sum->magnitude += magnitude[i];
    }
    for (; c < count; c++)
        add(sum, (double)tensor_value(tensor, pixel, place.channel + c) * (double)weight[c]);
}

/* Moves `place` to tap (ky, kx) of its output's window; false outside the image. */
static bool move_to_tap(const struct step *step, uint32_t ky, uint32_t kx,
                        struct recompute_place *place)
{
    int64_t y = (int64_t)place->y * step->stride_px + ky - step->pad_px;
    int64_t x = (int64_t)place->x * step->stride_px + kx - step->pad_px;
    if (y < 0 || y >= step->input->height_px || x < 0 || x >= step->input->width_px)
        return false;
    place->y = (uint32_t)y;
    place->x = (uint32_t)x;
    return true;
}

static void add_taps(const struct step_run *run, const float *weight, struct recompute_place place,
                     struct recompute_result *sum)
{
    const struct step *step = run->step;
    uint32_t group_in = step->input->channels / step->groups;
    uint32_t group = place.channel / (step->output->channels / step->groups);
    weight += (size_t)place.channel * step->kernel_px * step->kernel_px * group_in;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++)
        for (uint32_t kx = 0; kx < step->kernel_px; kx++, weight += group_in) {
            struct recompute_place from = place;
            bool is_inside = move_to_tap(step, ky, kx, &from);
            if (is_inside && step->op == STEP_CONV) {
                from.channel = group * group_in;
                add_pixel(step->input, run->buffers, from, weight, group_in, sum);
                continue;
            }
            for (uint32_t c = 0; c < group_in; c++) {
                from.channel = group * group_in + c;
                double element =
                    is_inside ? input_element(run, from) : padding_element(run, from.channel);
                add(sum, element * (double)weight[c]);
            }
        }
}

static void add_projection(const struct step_run *run, const float *weight,
                           struct recompute_place place, struct recompute_result *sum)
{
    const struct tensor *input = run->step->projection;
    weight += (size_t)place.channel * input->channels;
    place.y *= run->step->projection_stride_px;
    place.x *= run->step->projection_stride_px;
    place.channel = 0;
    add_pixel(input, run->buffers, place, weight, input->channels, sum);
}

static struct recompute_result max_pool(const struct step_run *run, struct recompute_place place)
{
    const struct step *step = run->step;
    struct recompute_result best = {.value = -INFINITY};
    for (uint32_t ky = 0; ky < step->kernel_px; ky++)
        for (uint32_t kx = 0; kx < step->kernel_px; kx++) {
            struct recompute_place from = place;
            if (move_to_tap(step, ky, kx, &from))
                best.value = fmax(best.value, input_element(run, from));
        }
    return best;
}

static struct recompute_result average_pool(const struct step_run *run,
                                            struct recompute_place place)
{
    const struct tensor *input = run->step->input;
    struct recompute_result sum = {0};
    for (place.y = 0; place.y < input->height_px; place.y++)
        for (place.x = 0; place.x < input->width_px; place.x++)
            add(&sum, input_element(run, place));
    double pixels = (double)input->height_px * input->width_px;
    return (struct recompute_result){sum.value / pixels, sum.magnitude / pixels};
}

static struct recompute_result weighted_sum(const struct step_run *run,
                                            const struct step_weights *weights,
                                            struct recompute_place place, float residual)
{
    const struct step *step = run->step;
    struct recompute_result sum = {0};
    if (step->op == STEP_LINEAR)
        add_pixel(step->input, run->buffers, (struct recompute_place){.image = place.image},
                  weights->weight + (size_t)place.channel * step->input->channels,
                  step->input->channels, &sum);
    else
        add_taps(run, weights->weight, place, &sum);
    if (step->projection)
        add_projection(run, weights->projection, place, &sum);
    add(&sum, (double)residual);
    add(&sum, (double)weights->bias[place.channel]);
    if (step->has_relu && sum.value < 0)
        sum.value = 0;
    return sum;
}

struct recompute_result recompute_output(const struct step_run *run,
                                         const struct step_weights *weights,
                                         struct recompute_place place, float residual)
{
    if (run->step->op == STEP_MAX_POOL)
        return max_pool(run, place);
    if (run->step->op == STEP_AVERAGE_POOL)
        return average_pool(run, place);
    return weighted_sum(run, weights, place, residual);
}

static float round_weight(const struct step *step, float weight, float input_scale, float scale)
{
    if (step->arithmetic == STEP_INT8)
        return (float)requantize_weight(weight, input_scale, scale) * scale / input_scale;
    return bfloat16_to_f32(bfloat16_of_f32(weight * input_scale)) / input_scale;
}

void recompute_round_weights(const struct step *step, const struct step_weights *weights,
                             const bool *wanted, float *weight, float *projection)
{
    if (step->arithmetic == STEP_FLOAT32)
        return;
    bool is_input = step->op == STEP_CONV_INPUT;
    size_t out = step->output->channels;
    size_t taps = (size_t)step->kernel_px * step->kernel_px * step->input->channels / step->groups;
    size_t extra = step->projection ? step->projection->channels : 0;
    for (size_t o = 0; o < out; o++) {
        if (!wanted[o])
            continue;
        float scale = weights->scale ? weights->scale[o] : 1.0f;
        for (size_t t = 0; t < taps; t++) {
            float input_scale = is_input && step->arithmetic == STEP_INT8
                                    ? requantize_pixel_scale(step, t % REQUANTIZE_RGB)
                                    : step->input->scale;
            weight[o * taps + t] = round_weight(step, weight[o * taps + t], input_scale, scale);
        }
        for (size_t c = 0; c < extra; c++)
            projection[o * extra + c] =
                round_weight(step, projection[o * extra + c], step->projection->scale, scale);
    }
}

double recompute_rounding(const struct tensor *tensor, double value)
{
    if (tensor->type == TENSOR_F32)
        return 0;
    if (tensor->type == TENSOR_BF16)
        return fabs(value) / 256;
    double scale = (double)tensor->scale, largest = REQUANTIZE_LEVEL_MAX * scale;
    return value > largest ? value - largest + scale / 2 : scale * 0.501;
}
