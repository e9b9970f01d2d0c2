/* Convolutions of bfloat16 numbers on AMX. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_CONV_BF16_AMX_H
#define CLASSIFYD_MODEL_KERNELS_AMX_CONV_BF16_AMX_H

#include "model/kernels/kernels.h"

/* STEP_CONV in STEP_BF16 without groups: input and projection in bfloat16 or u8, which becomes
 * bfloat16 as it is gathered; residual and output of any type, any layout. A unit is 32 output
 * channels of 128 output pixels, see strip.h. */
extern const struct kernel conv_bf16_amx;

#endif
