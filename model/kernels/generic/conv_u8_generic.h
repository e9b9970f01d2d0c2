/* The definition of int8 convolutions, the first layer's too. A unit is one output row. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_U8_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_U8_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_CONV and STEP_CONV_INPUT in STEP_INT8: u8 activations, s8 weights, sums in int32; any
 * layout, groups, projection, residual and output type. */
extern const struct kernel conv_u8_generic;

#endif
