/* 3x3 convolutions of stride 1 by Winograd, AVX-512. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX512_CONV_F32_WINOGRAD4X4_AVX512_H
#define CLASSIFYD_MODEL_KERNELS_AVX512_CONV_F32_WINOGRAD4X4_AVX512_H

#include "model/kernels/kernels.h"

/* winograd4x4.h says what it supports and how its work is cut. */
extern const struct kernel conv_f32_winograd4x4_avx512;

#endif
