/* Convolution as OpenBLAS products. */
#ifndef CLASSIFYD_MODEL_KERNELS_BLAS_CONV_F32_GEMM_BLAS_H
#define CLASSIFYD_MODEL_KERNELS_BLAS_CONV_F32_GEMM_BLAS_H

#include "model/kernels/kernels.h"

/* STEP_CONV over tensors that are matrices (tensor_is_matrix) with images padded to GEMM_CUT_ROWS
 * pixels. A 1x1 of stride 1 reads its input where it lies; others gather a strip's pixels first.
 * The projection is a second product added to the first; a residual that is the output itself is
 * what the product is added to. Groups are taken several at a time, as one product with zeros
 * between them. */
extern const struct kernel conv_f32_gemm_blas;

#endif
