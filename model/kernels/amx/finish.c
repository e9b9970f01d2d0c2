#include "model/kernels/amx/finish.h"

#include <immintrin.h>
#include <math.h>

#include "model/kernels/requantize.h"

enum { LANES = 16, HALF_TILES = 2048 };
enum { NO_RESIDUAL = -1 };

static inline __m512 load_residual(const uint8_t *pixel, size_t channel, __mmask16 mask, int type)
{
    if (type == TENSOR_F32)
        return _mm512_maskz_loadu_ps(mask, pixel + 4 * channel);
    if (type == TENSOR_BF16)
        return _mm512_castsi512_ps(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, pixel + 2 * channel)), 16));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, pixel + channel)));
}

/* As bfloat16_of_f32. */
static inline __m256i round_to_bf16(__m512 value)
{
    __m512i bits = _mm512_castps_si512(value), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, is_nan, high, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(rounded);
}

static inline void store(uint8_t *pixel, size_t channel, __mmask16 mask, __m512 value,
                         enum tensor_type type, bool is_int8)
{
    if (type == TENSOR_F32) {
        _mm512_mask_storeu_ps(pixel + 4 * channel, mask, value);
    } else if (type == TENSOR_BF16) {
        __m256i halves = is_int8 ? round_to_bf16(value) : (__m256i)_mm512_cvtneps_pbh(value);
        _mm256_mask_storeu_epi16(pixel + 2 * channel, mask, halves);
    } else {
        /* The order of operands makes a NaN zero, as requantize_level does. */
        value = _mm512_max_ps(value, _mm512_setzero_ps());
        value = _mm512_min_ps(value, _mm512_set1_ps(REQUANTIZE_LEVEL_MAX));
        _mm_mask_storeu_epi8(pixel + channel, mask,
                             _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value)));
    }
}

/* One half of a block, 16 channels; everything but the pointers is known when this is compiled. */
static inline __attribute__((always_inline)) void
finish_half(const struct finish *finish, const struct finish_block *block, size_t first,
            size_t last, size_t half, int residual, enum tensor_type output, bool is_int8)
{
    size_t channel = block->channel + half * LANES;
    if (channel >= finish->channels)
        return;
    size_t left = finish->channels - channel;
    __mmask16 mask = (__mmask16)(left < LANES ? (1u << left) - 1 : 0xffff);
    __m512 multiplier = is_int8 ? _mm512_loadu_ps(finish->multiplier + channel)
                                : _mm512_set1_ps(finish->scale_multiplier);
    __m512 offset = _mm512_loadu_ps(finish->offset + channel);
    __m512 residual_multiplier = _mm512_set1_ps(finish->residual_multiplier);
    __m512 lowest = _mm512_set1_ps(finish->lowest);
    for (size_t i = first; i < last; i++) {
        const uint8_t *sums = block->sums + i / LANES * HALF_TILES + half * (HALF_TILES / 2) +
                              i % LANES * (LANES * 4);
        __m512 value = is_int8 ? _mm512_cvtepi32_ps(_mm512_load_si512(sums)) : _mm512_load_ps(sums);
        value = _mm512_add_ps(_mm512_mul_ps(value, multiplier), offset);
        if (residual != NO_RESIDUAL)
            value = _mm512_add_ps(
                value, _mm512_mul_ps(load_residual(block->residual[i], channel, mask, residual),
                                     residual_multiplier));
        store(block->output[i], channel, mask, _mm512_max_ps(lowest, value), output, is_int8);
    }
}

#define FINISH(name, residual, output, is_int8)                                                    \
    static void name(const struct finish *finish, const struct finish_block *block, size_t first,  \
                     size_t last)                                                                  \
    {                                                                                              \
        finish_half(finish, block, first, last, 0, residual, output, is_int8);                     \
        finish_half(finish, block, first, last, 1, residual, output, is_int8);                     \
    }
#define FINISH_OUTPUTS(name, residual, is_int8)                                                    \
    FINISH(name##_to_u8, residual, TENSOR_U8, is_int8)                                             \
    FINISH(name##_to_f32, residual, TENSOR_F32, is_int8)                                           \
    FINISH(name##_to_bf16, residual, TENSOR_BF16, is_int8)
#define FINISH_RESIDUALS(name, is_int8)                                                            \
    FINISH_OUTPUTS(name##_alone, NO_RESIDUAL, is_int8)                                             \
    FINISH_OUTPUTS(name##_and_u8, TENSOR_U8, is_int8)                                              \
    FINISH_OUTPUTS(name##_and_f32, TENSOR_F32, is_int8)                                            \
    FINISH_OUTPUTS(name##_and_bf16, TENSOR_BF16, is_int8)
FINISH_RESIDUALS(int8, true)
FINISH_RESIDUALS(bf16, false)

#define OUTPUTS(name)                                                                              \
    {                                                                                              \
        [TENSOR_U8] = name##_to_u8, [TENSOR_F32] = name##_to_f32, [TENSOR_BF16] = name##_to_bf16   \
    }
#define RESIDUALS(name)                                                                            \
    {                                                                                              \
        OUTPUTS(name##_alone), [1 + TENSOR_U8] = OUTPUTS(name##_and_u8),                           \
                                    [1 + TENSOR_F32] = OUTPUTS(name##_and_f32),                    \
                                    [1 + TENSOR_BF16] = OUTPUTS(name##_and_bf16)                   \
    }

struct finish finish_of(const struct step *step)
{
    static void (*const rows[2][4][3])(const struct finish *, const struct finish_block *, size_t,
                                       size_t) = {RESIDUALS(bf16), RESIDUALS(int8)};
    size_t residual = step->residual ? 1 + (size_t)step->residual->type : 0;
    return (struct finish){.rows =
                               rows[step->arithmetic == STEP_INT8][residual][step->output->type],
                           .scale_multiplier = requantize_multiplier(step, 1.0f),
                           .residual_multiplier = requantize_residual_multiplier(step),
                           .lowest = step->has_relu ? 0.0f : -INFINITY,
                           .channels = step->output->channels};
}
