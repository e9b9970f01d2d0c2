/* Convolutions of u8 activations and s8 weights on AMX. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_CONV_U8_AMX_H
#define CLASSIFYD_MODEL_KERNELS_AMX_CONV_U8_AMX_H

#include "model/kernels/kernels.h"

/* STEP_CONV in STEP_INT8 without groups, with projection, residual and output of any type, in any
 * layout. A unit is 32 output channels of 128 output pixels, see strip.h. */
extern const struct kernel conv_u8_amx;

#endif
