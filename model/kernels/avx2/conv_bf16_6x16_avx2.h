/* Direct convolutions in bfloat16 on AVX2: direct_conv.h's cut, tiles of 6 pixels by 16
 * channels. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_CONV_BF16_6X16_AVX2_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_CONV_BF16_6X16_AVX2_H

#include "model/kernels/kernels.h"

extern const struct kernel conv_bf16_6x16_avx2;       /* STEP_CONV */
extern const struct kernel conv_bf16_6x16_avx2_input; /* STEP_CONV_INPUT */

#endif
