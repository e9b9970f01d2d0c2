/* A K step of one float32, for the files that include tile_avx2_template.h. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_TILE_FMA_AVX2_TEMPLATE_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_TILE_FMA_AVX2_TEMPLATE_H

#include <immintrin.h>
#include <stdint.h>

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

#endif
