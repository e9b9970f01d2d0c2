#include "model/kernels/blas/blas_set.h"

#include "model/kernels/blas/conv_f32_gemm_blas.h"
#include "model/kernels/blas/conv_input_f32_gemm_blas.h"
#include "model/kernels/blas/gemm_cut.h"

const struct kernel_set blas_set = {
    .name = "blas",
    .version = 1,
    .layout = {.image_pixel_multiple = GEMM_CUT_ROWS,
               .halo_px = 0,
               .interleave = 1,
               .pixel_padding = 0},
    .kernels =
        {
            [STEP_CONV_INPUT] = &conv_input_f32_gemm_blas,
            [STEP_CONV] = &conv_f32_gemm_blas,
            [STEP_MAX_POOL] = NULL,
            [STEP_AVERAGE_POOL] = NULL,
            [STEP_LINEAR] = NULL,
        },
};
