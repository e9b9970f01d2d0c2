/* A layer's weights as the kernels take them: BatchNorm folded in, output channels first, channels
 * last. */
#ifndef CLASSIFYD_MODEL_NET_FOLD_H
#define CLASSIFYD_MODEL_NET_FOLD_H

#include <stdbool.h>

#include "model/net/graph.h"

/* A convolution or linear layer. With BatchNorm, in double: scale = weight / sqrt(variance + 1e-5),
 * the weights are multiplied by it and bias = (own bias - mean) * scale + shift (Ioffe and Szegedy
 * 2015; eps as in torch.nn.BatchNorm2d). Writes `ret_weight` [out, k, k, in/groups], of the output
 * channels that `wanted` [out] names (NULL: all) and leaves the others, and `ret_bias` [out]. Fails
 * with STATUS_BAD_MODEL (not floating point, or not finite after folding; the tensor is named),
 * STATUS_NO_MEMORY. Any thread. */
MUST_CHECK enum status fold_layer(const struct graph_layer *layer, const bool *wanted,
                                  float *ret_weight, float *ret_bias, struct error *error);

/* A step of the plan: a convolution or linear layer, and the projection that is part of it. */
struct fold_step {
    float *weight;     /* [out, k, k, in/groups] */
    float *bias;       /* [out]; the projection's is added */
    float *projection; /* [out, channels that it reads], or NULL */
};

/* Layer `index` of the graph; with `has_projection` its residual, too. The weights of output
 * channels that are not `wanted` are zero. Fails as fold_layer. To be ended with fold_step_fini,
 * also after a failure. */
MUST_CHECK enum status fold_step_init(const struct graph *graph, size_t index, bool has_projection,
                                      const bool *wanted, struct fold_step *ret_step,
                                      struct error *error);

/* Accepts a zeroed struct. */
void fold_step_fini(struct fold_step *step);

#endif
