#include "model/kernels/avx2/conv_f32_6x16_avx2.h"

#include <immintrin.h>

#include "model/kernels/avx2/tile_fma_avx2_template.h"

TILE_INLINE __m256 tile_value(tile_sum sum, __m256 multiplier, __m256 offset)
{
    (void)multiplier; /* float32 has no steps */
    return _mm256_add_ps(sum, offset);
}

#define TILE_CASES(run) run(TENSOR_F32, TILE_NO_RESIDUAL) run(TENSOR_F32, TENSOR_F32)

#include "model/kernels/avx2/tile_avx2_template.h"

static const struct direct_conv direct = {
    .arithmetic = STEP_FLOAT32, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_f32_6x16_avx2, direct_conv, direct, true);
DIRECT_CONV_KERNEL(conv_f32_6x16_avx2_input, direct_conv_input, direct, true);
