/* The first convolution as OpenBLAS products over the batch slots. */
#ifndef CLASSIFYD_MODEL_KERNELS_BLAS_CONV_INPUT_F32_GEMM_BLAS_H
#define CLASSIFYD_MODEL_KERNELS_BLAS_CONV_INPUT_F32_GEMM_BLAS_H

#include "model/kernels/kernels.h"

/* STEP_CONV_INPUT to a tensor that is a matrix with images padded to GEMM_CUT_ROWS pixels. A u8
 * slot is normalised through a table of 256 values a channel while its pixels are gathered. */
extern const struct kernel conv_input_f32_gemm_blas;

#endif
