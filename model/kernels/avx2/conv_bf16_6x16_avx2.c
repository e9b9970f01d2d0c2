#include "model/kernels/avx2/conv_bf16_6x16_avx2.h"

#include <immintrin.h>

#include "model/kernels/avx2/tile_fma_avx2_template.h"

/* Both sides of a product are bfloat16 and have float32's width: widened within, pixels and weights
 * would cost more instructions than the products. */
TILE_INLINE __m256 tile_value(tile_sum sum, __m256 multiplier, __m256 offset)
{
    return _mm256_fmadd_ps(sum, multiplier, offset);
}

#define TILE_CASES(run)                                                                            \
    run(TENSOR_BF16, TILE_NO_RESIDUAL) run(TENSOR_BF16, TENSOR_BF16)                               \
        run(TENSOR_F32, TILE_NO_RESIDUAL) run(TENSOR_F32, TENSOR_BF16)                             \
            run(TENSOR_U8, TILE_NO_RESIDUAL) run(TENSOR_U8, TENSOR_U8) run(TENSOR_F32, TENSOR_U8)

#include "model/kernels/avx2/tile_avx2_template.h"

static const struct direct_conv direct = {
    .arithmetic = STEP_BF16, .is_widened = true, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_bf16_6x16_avx2, direct_conv, direct, true);
DIRECT_CONV_KERNEL(conv_bf16_6x16_avx2_input, direct_conv_input, direct, true);
