/* Direct convolutions in float32 on AVX-512: direct_conv.h's cut, tiles of 6 pixels by 64 channels.
 */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX512_CONV_F32_6X64_AVX512_H
#define CLASSIFYD_MODEL_KERNELS_AVX512_CONV_F32_6X64_AVX512_H

#include "model/kernels/kernels.h"

extern const struct kernel conv_f32_6x64_avx512;       /* STEP_CONV */
extern const struct kernel conv_f32_6x64_avx512_input; /* STEP_CONV_INPUT */

#endif
