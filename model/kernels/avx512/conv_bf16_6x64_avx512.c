#include "model/kernels/avx512/conv_bf16_6x64_avx512.h"

#include <immintrin.h>

typedef __m512 tile_sum;

static inline tile_sum tile_zero(void)
{
    return _mm512_setzero_ps();
}

/* Two products a lane; vdpbf16ps rounds to nearest whatever MXCSR says, and takes denormals for
 * zero. As an instruction, as in conv_u8_6x64_avx512.c: gcc 12 copies accumulators about. */
static inline tile_sum tile_add(tile_sum sum, __m512i weights, __m512i value)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(value));
    return sum;
}

static inline __m512 tile_value(tile_sum sum, __m512 multiplier, __m512 offset)
{
    return _mm512_fmadd_ps(sum, multiplier, offset);
}

#define TILE_CASES(run)                                                                            \
    run(TENSOR_BF16, TILE_NO_RESIDUAL) run(TENSOR_BF16, TENSOR_BF16)                               \
        run(TENSOR_F32, TILE_NO_RESIDUAL) run(TENSOR_F32, TENSOR_BF16)                             \
            run(TENSOR_U8, TILE_NO_RESIDUAL) run(TENSOR_U8, TENSOR_U8) run(TENSOR_F32, TENSOR_U8)

#include "model/kernels/avx512/tile_avx512_template.h"

static const struct direct_conv direct = {
    .arithmetic = STEP_BF16, .tile_px = TILE_PX, .panels = TILE_PANELS};

DIRECT_CONV_KERNEL(conv_bf16_6x64_avx512, direct_conv, direct,
                   __builtin_cpu_supports("avx512bf16"));
DIRECT_CONV_KERNEL(conv_bf16_6x64_avx512_input, direct_conv_input, direct,
                   __builtin_cpu_supports("avx512bf16"));
