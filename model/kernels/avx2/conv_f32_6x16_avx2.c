#include "model/kernels/avx2/conv_f32_6x16_avx2.h"

#include <immintrin.h>

#include "model/kernels/avx2/tile_avx2.h"

typedef __m256 tile_sum;

TILE_INLINE tile_sum tile_zero(void)
{
    return _mm256_setzero_ps();
}

TILE_INLINE void tile_step(const uint8_t *weights, const uint8_t *const at[TILE_PX],
                           const int vectors, tile_sum sums[TILE_PX][TILE_VECTORS])
{
    __m256 w[TILE_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        w[v] = _mm256_load_ps((const float *)(const void *)(weights + v * TILE_VECTOR_BYTES));
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++) {
        __m256 value = _mm256_broadcast_ss((const float *)(const void *)at[i]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sums[i][v] = _mm256_fmadd_ps(w[v], value, sums[i][v]);
    }
}

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
