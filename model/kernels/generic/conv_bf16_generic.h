/* The definition of bfloat16 convolutions, the first layer's too. A unit is one output row. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_BF16_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_BF16_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_CONV and STEP_CONV_INPUT in STEP_BF16: products of bfloat16 numbers, sums in float32. Input
 * in bfloat16, or u8, which bfloat16 holds exactly and whose scale goes into the weights before
 * they are rounded; any layout, groups, projection, residual and output type. */
extern const struct kernel conv_bf16_generic;

#endif
