/* The head: one linear layer over the pooled features. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_LINEAR_F32_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_LINEAR_F32_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_LINEAR. Every logit is one sum over the features in their order, whatever the batch: BLAS
 * libraries choose other kernels for one row than for many, and for narrow heads, with other bits.
 * A unit is a strip of output channels for all images, so that a weight is read once for several of
 * them. */
extern const struct kernel linear_f32_generic;

#endif
