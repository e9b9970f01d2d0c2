/* Single outputs of a step, computed again from its inputs: the arithmetic that
 * model/kernels/generic/ defines, in double, one sum a call and no packing. For checks. */
#ifndef CLASSIFYD_MODEL_NET_RECOMPUTE_H
#define CLASSIFYD_MODEL_NET_RECOMPUTE_H

#include "model/kernels/kernels.h"

/* One element of a step's tensors; `image` counts from the batch's first. */
struct recompute_place {
    size_t image;
    uint32_t y, x, channel;
};

struct recompute_result {
    double value;
    double magnitude; /* the sum of the terms' absolute values, which bounds what rounding can do */
};

/* A tensor's element, as a real value. Any thread. */
float recompute_element(const struct tensor *tensor, uint8_t *const *buffers,
                        struct recompute_place place);

/* What the step has to write at `place` of its output. `weights` may be NULL for a pooling step;
 * `residual` is that tensor's element before the step (0 where there is none), as the step may
 * write over it. The other inputs are read. Any thread. */
struct recompute_result recompute_output(const struct step_run *run,
                                         const struct step_weights *weights,
                                         struct recompute_place place, float residual);

/* Replaces the folded weights of the `wanted` output channels [out] by what the step's arithmetic
 * makes of them: bfloat16's nearest, or whole steps of the channel's scale. `weights` is what the
 * kernel packed; `weight` and `projection` (may be NULL) are its arrays. */
void recompute_round_weights(const struct step *step, const struct step_weights *weights,
                             const bool *wanted, float *weight, float *projection);

/* How far rounding to the tensor's type may move `value`. */
double recompute_rounding(const struct tensor *tensor, double value);

#endif
