#include "model/kernels/avx2/conv_u8_6x16_avx2.h"

#include <immintrin.h>

#include "model/kernels/avx2/tile_avx2.h"
#include "model/kernels/direct_conv.h"

typedef __m256i tile_sum;

#define EVEN_4 0xff, 0, 0xff, 0

TILE_INLINE tile_sum tile_zero(void)
{
    return _mm256_setzero_si256();
}

/* Elements 0 and 2 of every K step, or 1 and 3, as 16-bit numbers. */
TILE_INLINE __m256i widen_weights(__m256i weights, const bool is_odd)
{
    return _mm256_srai_epi16(is_odd ? weights : _mm256_slli_epi16(weights, 8), 8);
}

/* Four u8, of which elements 0 and 2, or 1 and 3, as 16-bit numbers. The mask stays in memory, and
 * the second half loads again, for want of registers. */
TILE_INLINE __m256i widen_value(const uint8_t *at, const bool is_odd)
{
    static const uint8_t even[TILE_VECTOR_BYTES] __attribute__((aligned(TILE_VECTOR_BYTES))) = {
        EVEN_4, EVEN_4, EVEN_4, EVEN_4, EVEN_4, EVEN_4, EVEN_4, EVEN_4};
    __m256i value;
    __asm__ volatile("vpbroadcastd %1, %0"
                     : "=x"(value)
                     : "m"(*(const uint8_t(*)[DIRECT_CONV_STEP_BYTES])at));
    if (is_odd)
        return _mm256_srli_epi16(value, 8);
    __asm__("vpand %1, %0, %0" : "+x"(value) : "m"(even));
    return value;
}

/* As instructions, in this order: of the intrinsics gcc 12 adds the products of both halves to each
 * other first, and has no registers left for the sums, most of which then go to the stack and back
 * in every step. */
TILE_INLINE void add_products(__m256i *sum, __m256i value, __m256i weights)
{
    __m256i products;
    __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(*sum), "=&x"(products)
                     : "x"(value), "x"(weights));
}

/* AVX2's product of u8 and s8 adds pairs with saturation: 255 * 127 * 2 is too much for it. So both
 * are widened, and products of 16 bits are added to sums of 32, exactly. */
TILE_INLINE void tile_step(const uint8_t *weights, const uint8_t *const at[TILE_PX],
                           const int vectors, tile_sum sums[TILE_PX][TILE_VECTORS])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256i w[TILE_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            w[v] = widen_weights(_mm256_load_si256((const void *)(weights + v * TILE_VECTOR_BYTES)),
                                 half);
#pragma GCC unroll 6
        for (int i = 0; i < TILE_PX; i++) {
            __m256i value = widen_value(at[i], half);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                add_products(&sums[i][v], value, w[v]);
        }
    }
}

/* Two roundings, as requantize.h says: no fused multiply-add. */
TILE_INLINE __m256 tile_value(tile_sum sum, __m256 multiplier, __m256 offset)
{
    return _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), multiplier), offset);
}

#define TILE_CASES(run)                                                                            \
    run(TENSOR_U8, TILE_NO_RESIDUAL) run(TENSOR_U8, TENSOR_U8) run(TENSOR_F32, TILE_NO_RESIDUAL)   \
        run(TENSOR_F32, TENSOR_U8)

#include "model/kernels/avx2/tile_avx2_template.h"

static const struct direct_conv direct = {
    .arithmetic = STEP_INT8, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_u8_6x16_avx2, direct_conv, direct, true);
DIRECT_CONV_KERNEL(conv_u8_6x16_avx2_input, direct_conv_input, direct, true);
