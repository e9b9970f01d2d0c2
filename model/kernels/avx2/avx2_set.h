/* Kernels for CPUs with AVX2 and FMA (Haswell, Zen and later). */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_AVX2_SET_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_AVX2_SET_H

#include "model/kernels/kernels.h"

extern const struct kernel_set avx2_set;

#endif
