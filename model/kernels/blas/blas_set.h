/* Convolutions on OpenBLAS, float32; the rest on generic/. */
#ifndef CLASSIFYD_MODEL_KERNELS_BLAS_BLAS_SET_H
#define CLASSIFYD_MODEL_KERNELS_BLAS_BLAS_SET_H

#include "model/kernels/kernels.h"

extern const struct kernel_set blas_set;

#endif
