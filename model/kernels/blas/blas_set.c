#include "model/kernels/blas/blas_set.h"

#include "model/kernels/blas/conv_f32_gemm_blas.h"
#include "model/kernels/blas/conv_input_f32_gemm_blas.h"
#include "model/kernels/blas/gemm_cut.h"

static const struct kernel *const kernels[] = {&conv_input_f32_gemm_blas, &conv_f32_gemm_blas,
                                               NULL};

const struct kernel_set blas_set = {
    .name = "blas",
    .version = 1,
    .layout = {.image_pixel_multiple = GEMM_CUT_ROWS},
    .kernels = kernels,
};
