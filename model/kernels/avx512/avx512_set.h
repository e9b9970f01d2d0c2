/* Kernels for CPUs with AVX-512 (F, BW, DQ, VL, CD: Skylake-SP, Zen 4 and later). */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX512_AVX512_SET_H
#define CLASSIFYD_MODEL_KERNELS_AVX512_AVX512_SET_H

#include "model/kernels/kernels.h"

extern const struct kernel_set avx512_set;

#endif
