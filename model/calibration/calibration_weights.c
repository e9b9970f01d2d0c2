#include "model/calibration/calibration_weights.h"

#include <math.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/kernels/requantize.h"
#include "model/net/quantization.h"

/* Shares of the largest weight that are tried: 1 down to 0.41. */
enum { CANDIDATES = 60, WEIGHT_MAX = 127 };

/* A channel's weights in real steps of its input, and what an error of each costs. */
struct channel {
    size_t count;         /* a multiple of 8, zeros behind the last weight */
    float *weight, *cost; /* [count] */
};

static float input_scale(const struct calibration_weights_case *given, size_t c)
{
    return given->step->op == STEP_CONV_INPUT ? requantize_pixel_scale(given->step, c)
                                              : given->input_scale;
}

/* The mean square of input channel `c` in its steps; equal for all pixels' channels. */
static float mean_square(const struct calibration_weights_case *given, size_t c)
{
    const struct calibration_means *means = given->means;
    if (given->step->op == STEP_CONV_INPUT)
        return 1.0f;
    return (float)(means->squares[c] / (double)means->input_count /
                   (double)(given->input_scale * given->input_scale));
}

static float projection_mean_square(const struct calibration_weights_case *given, size_t c)
{
    const struct calibration_means *means = given->means;
    return (float)(means->squares[given->step->input->channels + c] / (double)means->output_count /
                   (double)(given->projection_scale * given->projection_scale));
}

static void fill(struct channel *channel, const struct calibration_weights_case *given, size_t o,
                 bool is_weighted)
{
    const struct step *step = given->step;
    size_t group_in = step->input->channels / step->groups, area = step->kernel_px;
    area *= area;
    size_t first = o / (step->output->channels / step->groups) * group_in;
    size_t extra = step->projection ? step->projection->channels : 0, at = 0;
    for (size_t t = 0; t < area; t++)
        for (size_t c = 0; c < group_in; c++, at++) {
            channel->weight[at] =
                given->weights->weight[o * area * group_in + at] * input_scale(given, first + c);
            channel->cost[at] = is_weighted ? mean_square(given, first + c) : 1.0f;
        }
    for (size_t c = 0; c < extra; c++, at++) {
        channel->weight[at] = given->weights->projection[o * extra + c] * given->projection_scale;
        channel->cost[at] = is_weighted ? projection_mean_square(given, c) : 1.0f;
    }
}

static float largest_of(const struct channel *channel)
{
    float largest = 0;
    for (size_t i = 0; i < channel->count; i++)
        largest = fmaxf(largest, fabsf(channel->weight[i]));
    return largest;
}

/* What rounding to whole steps costs. The rounding is by adding and taking away 1.5 * 2^23, which
 * compilers vectorise. */
static double error_of(const struct channel *channel, float scale)
{
    enum { LANES = 8 };
    const float magic = 12582912.0f, inverse = 1.0f / scale;
    float sums[LANES] = {0};
    for (size_t i = 0; i < channel->count; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            float steps = channel->weight[i + k] * inverse;
            steps = steps > WEIGHT_MAX ? WEIGHT_MAX : steps < -WEIGHT_MAX ? -WEIGHT_MAX : steps;
            float off = (steps + magic - magic) * scale - channel->weight[i + k];
            sums[k] += off * off * channel->cost[i + k];
        }
    double sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += (double)sums[i];
    return sum;
}

static float search(const struct channel *channel, enum calibration_weights method)
{
    float whole = largest_of(channel) / WEIGHT_MAX, best = whole;
    double least = INFINITY;
    for (int i = 0; i < CANDIDATES && method != CALIBRATION_WEIGHTS_MAX; i++) {
        float scale = whole * (1.0f - 0.01f * (float)i);
        double error = error_of(channel, scale);
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

enum status calibration_weights_scales(const struct calibration_weights_case *given,
                                       enum calibration_weights method, float *ret_scales,
                                       struct error *error)
{
    const struct step *step = given->step;
    size_t count = (size_t)step->kernel_px * step->kernel_px * step->input->channels / step->groups;
    count += step->projection ? step->projection->channels : 0;
    count = (count + 7) / 8 * 8;
    struct channel channel = {.count = count,
                              .weight = alloc_array(count, sizeof(float), SIZE_MAX / 2),
                              .cost = alloc_array(count, sizeof(float), SIZE_MAX / 2)};
    enum status status = STATUS_OK;
    if (!channel.weight || !channel.cost)
        status =
            error_set(error, STATUS_NO_MEMORY, "no memory for the weights of layer %s", step->name);
    for (size_t o = 0; o < step->output->channels && status == STATUS_OK; o++) {
        fill(&channel, given, o, method == CALIBRATION_WEIGHTS_WEIGHTED);
        float scale = search(&channel, method);
        ret_scales[o] = scale >= QUANTIZATION_LEAST_SCALE ? scale : 1.0f;
        if (!(scale <= QUANTIZATION_LARGEST_SCALE))
            status = error_set(error, STATUS_BAD_MODEL,
                               "layer %s: the weights of channel %zu are too large for 8 bits; is "
                               "the model damaged?",
                               step->name, o);
    }
    free(channel.weight);
    free(channel.cost);
    return status;
}
