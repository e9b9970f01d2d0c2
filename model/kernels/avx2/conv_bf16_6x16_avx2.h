/* Direct convolutions in bfloat16 on AVX2, which knows only float32: both sides are widened. For
 * the layers that a calibrated network leaves to bfloat16. See direct_conv.h. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_CONV_BF16_6X16_AVX2_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_CONV_BF16_6X16_AVX2_H

#include "model/kernels/kernels.h"

extern const struct kernel conv_bf16_6x16_avx2, conv_bf16_6x16_avx2_input;

#endif
