#include "model/kernels/avx512/conv_u8_6x64_avx512.h"

#include <immintrin.h>

typedef __m512i tile_sum;

static inline tile_sum tile_zero(void)
{
    return _mm512_setzero_si512();
}

/* Four products a lane, u8 by s8, summed without saturation. As an instruction: of the intrinsic
 * gcc 12 makes a store of every accumulator to the stack, a quarter of the speed. */
static inline tile_sum tile_add(tile_sum sum, __m512i weights, __m512i value)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(value), "v"(weights));
    return sum;
}

/* Two roundings, as requantize.h says; the sum as tile_plus() forms it. */
static inline __m512 tile_value(tile_sum sum, __m512 multiplier, __m512 offset)
{
    __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier);
    return _mm512_fmadd_ps(product, _mm512_set1_ps(1.0f), offset);
}

#define TILE_CASES(run)                                                                            \
    run(TENSOR_U8, TILE_NO_RESIDUAL) run(TENSOR_U8, TENSOR_U8) run(TENSOR_F32, TILE_NO_RESIDUAL)   \
        run(TENSOR_F32, TENSOR_U8)

#include "model/kernels/avx512/tile_avx512_template.h"

static const struct direct_conv direct = {
    .arithmetic = STEP_INT8, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_u8_6x64_avx512, direct_conv, direct, __builtin_cpu_supports("avx512vnni"));
DIRECT_CONV_KERNEL(conv_u8_6x64_avx512_input, direct_conv_input, direct,
                   __builtin_cpu_supports("avx512vnni"));
