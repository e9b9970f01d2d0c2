#include "model/net/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

#define BATCH_NORM_EPSILON 1e-5

enum { NORM_VECTORS = 5 }; /* BatchNorm's four and the layer's own bias */

/* Infinity and NaN alone have all bits of the exponent. Without a branch an element, so that it is
 * done many at a time. */
static bool is_finite(const float *values, size_t count)
{
    const uint32_t exponent = 0x7f800000;
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        found |= (bits & exponent) == exponent;
    }
    return !found;
}

/* `first`: what number the first of them has among the tensor's elements. */
static enum status check_finite(const struct weights_tensor *tensor, const float *values,
                                size_t first, size_t count, struct error *error)
{
    if (is_finite(values, count))
        return STATUS_OK;
    size_t i = 0;
    while (isfinite(values[i]))
        i++;
    return error_set(error, STATUS_BAD_MODEL, "%s: element %zu is not a finite number",
                     tensor->name, first + i);
}

static enum status copy(const struct weights_tensor *tensor, float *ret_values, struct error *error)
{
    enum status status = weights_copy_f32(tensor, ret_values, error);
    return status ? status : check_finite(tensor, ret_values, 0, (size_t)tensor->count, error);
}

/* One output channel's [in, area] to [area, in], times its scale. */
static void reorder(const float *values, size_t in, size_t area, double scale, float *ret_weight)
{
    if (area == 1) {
        for (size_t c = 0; c < in; c++)
            ret_weight[c] = (float)((double)values[c] * scale);
        return;
    }
    for (size_t t = 0; t < area; t++)
        for (size_t c = 0; c < in; c++)
            ret_weight[t * in + c] = (float)((double)values[c * area + t] * scale);
}

/* The output channels that are `wanted`, through `row`, which holds one. */
static enum status fold_rows(const struct graph_layer *layer, const bool *wanted,
                             const double *scale, float *row, float *ret_weight,
                             struct error *error)
{
    size_t in = layer->in_channels / layer->groups;
    size_t area = layer->op == GRAPH_CONV ? (size_t)layer->kernel_px * layer->kernel_px : 1;
    for (size_t o = 0; o < layer->out_channels; o++) {
        if (wanted && !wanted[o])
            continue;
        enum status status = weights_copy_f32_at(layer->weight, o, row, error);
        if (status == STATUS_OK)
            status = check_finite(layer->weight, row, o * in * area, in * area, error);
        if (status != STATUS_OK)
            return status;
        reorder(row, in, area, scale[o], ret_weight + o * in * area);
    }
    return STATUS_OK;
}

/* Fills scale [out] and the folded bias [out]; `vectors` is work memory of NORM_VECTORS * out. */
static enum status fold_norm(const struct graph_layer *layer, float *vectors, double *scale,
                             float *ret_bias, struct error *error)
{
    size_t out = layer->out_channels;
    float *gamma = vectors, *beta = gamma + out, *mean = beta + out, *variance = mean + out,
          *own = variance + out;
    enum status status = layer->bias ? copy(layer->bias, own, error) : STATUS_OK;
    if (status == STATUS_OK && layer->bn_weight) {
        const struct weights_tensor *const tensors[] = {layer->bn_weight, layer->bn_bias,
                                                        layer->bn_mean, layer->bn_var};
        for (size_t i = 0; i < 4 && status == STATUS_OK; i++)
            status = copy(tensors[i], vectors + i * out, error);
    }
    for (size_t o = 0; o < out && status == STATUS_OK; o++) {
        scale[o] = layer->bn_weight
                       ? (double)gamma[o] / sqrt((double)variance[o] + BATCH_NORM_EPSILON)
                       : 1.0;
        double bias = ((double)own[o] - (double)mean[o]) * scale[o] + (double)beta[o];
        ret_bias[o] = (float)bias;
        if (!isfinite(scale[o]) || !isfinite(ret_bias[o]))
            return error_set(error, STATUS_BAD_MODEL,
                             "%s: channel %zu of its BatchNorm has no finite scale", layer->name,
                             o);
    }
    return status;
}

enum status fold_layer(const struct graph_layer *layer, const bool *wanted, float *ret_weight,
                       float *ret_bias, struct error *error)
{
    size_t out = layer->out_channels;
    float *row = alloc_array((size_t)layer->weight->count / out, sizeof *row, SIZE_MAX / 2);
    float *vectors = alloc_array(NORM_VECTORS * out, sizeof *vectors, SIZE_MAX / 2);
    double *scale = alloc_array(out, sizeof *scale, SIZE_MAX / 2);
    enum status status = STATUS_OK;
    if (!row || !vectors || !scale)
        status = error_set(error, STATUS_NO_MEMORY, "no memory to fold layer %s", layer->name);
    if (status == STATUS_OK)
        status = fold_norm(layer, vectors, scale, ret_bias, error);
    if (status == STATUS_OK)
        status = fold_rows(layer, wanted, scale, row, ret_weight, error);
    free(row);
    free(vectors);
    free(scale);
    return status;
}

static enum status fold_new(const struct graph_layer *layer, const bool *wanted, float **ret_weight,
                            float **ret_bias, struct error *error)
{
    *ret_weight = alloc_array((size_t)layer->weight->count, sizeof(float), SIZE_MAX / 2);
    *ret_bias = alloc_array(layer->out_channels, sizeof(float), SIZE_MAX / 2);
    if (!*ret_weight || !*ret_bias)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the weights of layer %s",
                         layer->name);
    return fold_layer(layer, wanted, *ret_weight, *ret_bias, error);
}

enum status fold_step_init(const struct graph *graph, size_t index, bool has_projection,
                           const bool *wanted, struct fold_step *ret_step, struct error *error)
{
    const struct graph_layer *layer = &graph->layers[index];
    *ret_step = (struct fold_step){0};
    enum status status = fold_new(layer, wanted, &ret_step->weight, &ret_step->bias, error);
    if (status != STATUS_OK || !has_projection)
        return status;
    float *bias = NULL;
    status = fold_new(&graph->layers[layer->residual], wanted, &ret_step->projection, &bias, error);
    for (size_t o = 0; o < layer->out_channels && status == STATUS_OK; o++)
        ret_step->bias[o] += bias[o];
    free(bias);
    return status;
}

void fold_step_fini(struct fold_step *step)
{
    free(step->weight);
    free(step->bias);
    free(step->projection);
    *step = (struct fold_step){0};
}
