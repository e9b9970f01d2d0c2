#include "model/kernels/avx2/conv_u8_6x16_avx2.h"

#include <immintrin.h>

#include "model/kernels/avx2/tile_avx2.h"
#include "model/kernels/direct_conv.h"

typedef __m256i tile_sum;

TILE_INLINE tile_sum tile_zero(void)
{
    return _mm256_setzero_si256();
}

/* One K step of two elements for a pixel. AVX2's product of u8 and s8 adds pairs with saturation:
 * 255 * 127 * 2 is too much for it. Products of 16 bits are added to sums of 32, exactly.
 *
 * As instructions, in this order: of the intrinsics gcc 12 has no registers left for the sums, most
 * of which then go to the stack and back in every step. */
TILE_INLINE void add_products(const uint8_t *at, const int vectors,
                              const __m256i weights[TILE_VECTORS], tile_sum sums[TILE_VECTORS])
{
    __m256i value, products;
    if (vectors == 1)
        __asm__("vpbroadcastd %2, %1\n\tvpmaddwd %3, %1, %1\n\tvpaddd %1, %0, %0"
                : "+x"(sums[0]), "=&x"(value)
                : "m"(*(const uint8_t(*)[DIRECT_CONV_STEP_BYTES])at), "x"(weights[0]));
    else
        __asm__("vpbroadcastd %4, %2\n\tvpmaddwd %5, %2, %3\n\tvpmaddwd %6, %2, %2\n\t"
                "vpaddd %3, %0, %0\n\tvpaddd %2, %1, %1"
                : "+x"(sums[0]), "+x"(sums[1]), "=&x"(value), "=&x"(products)
                : "m"(*(const uint8_t(*)[DIRECT_CONV_STEP_BYTES])at), "x"(weights[0]),
                  "x"(weights[1]));
}

TILE_INLINE void tile_step(const uint8_t *weights, const uint8_t *const at[TILE_PX],
                           const int vectors, tile_sum sums[TILE_PX][TILE_VECTORS])
{
    __m256i w[TILE_VECTORS] = {0};
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        w[v] = _mm256_load_si256((const void *)(weights + v * TILE_VECTOR_BYTES));
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++)
        add_products(at[i], vectors, w, sums[i]);
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
    .arithmetic = STEP_INT8, .is_widened = true, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_u8_6x16_avx2, direct_conv, direct, true);
DIRECT_CONV_KERNEL(conv_u8_6x16_avx2_input, direct_conv_input, direct, true);
