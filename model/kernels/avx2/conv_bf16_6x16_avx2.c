#include "model/kernels/avx2/conv_bf16_6x16_avx2.h"

#include <immintrin.h>

#include "model/kernels/avx2/tile_avx2.h"
#include "model/kernels/direct_conv.h"

typedef __m256 tile_sum;

TILE_INLINE tile_sum tile_zero(void)
{
    return _mm256_setzero_ps();
}

/* The first of each pair of bfloat16, or the second, as float32. The mask stays in memory, for want
 * of registers. */
TILE_INLINE __m256 widen(__m256i pairs, const bool is_second)
{
    static const uint32_t seconds[TILE_LANES] __attribute__((aligned(TILE_VECTOR_BYTES))) = {
        0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000,
        0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000};
    if (is_second)
        __asm__("vpand %1, %0, %0" : "+x"(pairs) : "m"(seconds));
    else
        pairs = _mm256_slli_epi32(pairs, BFLOAT16_SHIFT);
    return _mm256_castsi256_ps(pairs);
}

/* A pair, once a lane; in the first layer it lies at any even byte. This and the multiplication are
 * instructions, in this order: of the intrinsics gcc 12 keeps all pixels' pairs for their second
 * halves, and has no registers left for the sums; one of 12 on the stack halves the speed. */
TILE_INLINE __m256i broadcast(const uint8_t *at)
{
    __m256i pairs;
    __asm__ volatile("vpbroadcastd %1, %0"
                     : "=x"(pairs)
                     : "m"(*(const uint8_t(*)[DIRECT_CONV_STEP_BYTES])at));
    return pairs;
}

TILE_INLINE void add_product(__m256 *sum, __m256 weights, __m256 value)
{
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(weights), "x"(value));
}

TILE_INLINE void tile_step(const uint8_t *weights, const uint8_t *const at[TILE_PX],
                           const int vectors, tile_sum sums[TILE_PX][TILE_VECTORS])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256 w[TILE_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            w[v] = widen(_mm256_load_si256((const void *)(weights + v * TILE_VECTOR_BYTES)), half);
#pragma GCC unroll 6
        for (int i = 0; i < TILE_PX; i++) {
            __m256 value = widen(broadcast(at[i]), half);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                add_product(&sums[i][v], w[v], value);
        }
    }
}

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
    .arithmetic = STEP_BF16, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_bf16_6x16_avx2, direct_conv, direct, true);
DIRECT_CONV_KERNEL(conv_bf16_6x16_avx2_input, direct_conv_input, direct, true);
