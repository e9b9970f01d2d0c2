/* What calibration found out about a network: the arithmetic of each of its convolutions, the
 * scales of their outputs and weights, and what it corrected their biases by. Immutable once made.
 */
#ifndef CLASSIFYD_MODEL_NET_QUANTIZATION_H
#define CLASSIFYD_MODEL_NET_QUANTIZATION_H

#include <stddef.h>

#include "model/base/status.h"
#include "model/kernels/kernels.h"

/* Scales are between these, so that sums, multipliers and offsets stay finite. A channel whose
 * weights are next to nothing has a scale of 1, in which they are zero. */
#define QUANTIZATION_LEAST_SCALE   1e-12f
#define QUANTIZATION_LARGEST_SCALE 1e12f

struct quantization_layer {
    char name[64];                   /* the graph layer's */
    enum step_arithmetic arithmetic; /* STEP_INT8, or STEP_BF16 where int8 costs too much */
    float output_scale;              /* real value of one step of its u8 output, > 0 */
    size_t channels;
    float *scale; /* [channels]: step_weights.scale, all > 0; NULL for STEP_BF16 */
    float *bias;  /* [channels]: added to the folded bias; NULL: nothing */
};

struct quantization {
    size_t layer_count;
    struct quantization_layer *layers;
};

/* Zeroed layers, to be filled in. Fails with STATUS_NO_MEMORY. Returns owned, with what is put into
 * it: quantization_destroy frees the layers' arrays, too. */
MUST_CHECK enum status quantization_create(size_t layers, struct quantization **ret_quantization,
                                           struct error *error);

/* Accepts NULL. */
void quantization_destroy(struct quantization *quantization);

/* NULL where the layer is not among them. Any thread. */
const struct quantization_layer *quantization_find(const struct quantization *quantization,
                                                   const char *name);

/* Adds to the folded `bias` of layer `name` what it is corrected by, and returns the layer's
 * scales; NULL where there are none. `quantization` may be NULL. Any thread. */
const float *quantization_apply(const struct quantization *quantization, const char *name,
                                float *bias);

#endif
