#include "model/kernels/amx/finish.h"

#include <immintrin.h>
#include <math.h>

#include "model/kernels/requantize.h"

enum { LANES = 16, HALF_BYTES = 1024, PIXELS_BYTES = 2048 };
enum { NO_RESIDUAL = -1 };

/* What is known when a function is compiled. */
struct kind {
    int residual; /* a tensor_type, or NO_RESIDUAL */
    enum tensor_type output;
    bool is_int8;
};

/* A pixel's 32 channels. */
struct values {
    __m512 low, high;
};

static inline bool is_scaled(struct kind kind)
{
    return kind.is_int8 || kind.output == TENSOR_U8;
}

static inline __m512 load_residual(const uint8_t *pixel, size_t channel, __mmask16 mask,
                                   struct kind kind)
{
    if (kind.residual == TENSOR_F32)
        return _mm512_maskz_loadu_ps(mask, pixel + 4 * channel);
    if (kind.residual == TENSOR_BF16)
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

/* What 16 channels of all pixels share, in registers. */
struct factors {
    __m512 multiplier, offset, residual_multiplier, lowest;
};

static inline struct factors load_factors(const struct finish *finish, size_t channel,
                                          struct kind kind)
{
    return (struct factors){.multiplier = kind.is_int8
                                              ? _mm512_loadu_ps(finish->multiplier + channel)
                                              : _mm512_set1_ps(finish->scale_multiplier),
                            .offset = _mm512_loadu_ps(finish->offset + channel),
                            .residual_multiplier = _mm512_set1_ps(finish->residual_multiplier),
                            .lowest = _mm512_set1_ps(finish->lowest)};
}

static inline __attribute__((always_inline)) __m512
finish_half(const struct factors *factors, const uint8_t *sums, const uint8_t *residual,
            size_t channel, __mmask16 mask, struct kind kind)
{
    __m512 value =
        kind.is_int8 ? _mm512_cvtepi32_ps(_mm512_load_si512(sums)) : _mm512_load_ps(sums);
    if (is_scaled(kind))
        value = _mm512_mul_ps(value, factors->multiplier);
    value = _mm512_add_ps(value, factors->offset);
    if (kind.residual != NO_RESIDUAL) {
        __m512 other = load_residual(residual, channel, mask, kind);
        if (is_scaled(kind) || kind.residual == TENSOR_U8)
            other = _mm512_mul_ps(other, factors->residual_multiplier);
        value = _mm512_add_ps(value, other);
    }
    /* Levels below zero become zero anyway. */
    return kind.output == TENSOR_U8 ? value : _mm512_max_ps(factors->lowest, value);
}

static inline __attribute__((always_inline)) struct values
finish_pixel(const struct factors factors[2], const uint8_t *sums, const uint8_t *residual,
             size_t channel, __mmask32 mask, struct kind kind)
{
    return (struct values){finish_half(&factors[0], sums, residual, channel, (__mmask16)mask, kind),
                           finish_half(&factors[1], sums + HALF_BYTES, residual, channel + LANES,
                                       (__mmask16)(mask >> LANES), kind)};
}

static inline void store_floats(uint8_t *to, __mmask32 mask, struct values values, struct kind kind)
{
    if (kind.output == TENSOR_F32) {
        _mm512_mask_storeu_ps(to, (__mmask16)mask, values.low);
        _mm512_mask_storeu_ps(to + 4 * LANES, (__mmask16)(mask >> LANES), values.high);
    } else {
        __m512i halves = kind.is_int8
                             ? _mm512_inserti64x4(_mm512_castsi256_si512(round_to_bf16(values.low)),
                                                  round_to_bf16(values.high), 1)
                             : (__m512i)_mm512_cvtne2ps_pbh(values.high, values.low);
        _mm512_mask_storeu_epi16(to, mask, halves);
    }
}

/* As requantize_level, but for what packing does: zero for what is below, NaN among it, since both
 * become the least int32. The order of operands keeps a NaN. */
static inline __m512i to_levels(__m512 value)
{
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(REQUANTIZE_LEVEL_MAX), value));
}

/* Two pixels' levels, the first's 32 and then the second's. */
static inline __m512i pack_levels(struct values first, struct values second)
{
    __m512i words[2] = {_mm512_packs_epi32(to_levels(first.low), to_levels(first.high)),
                        _mm512_packs_epi32(to_levels(second.low), to_levels(second.high))};
    /* Packing stays within lanes of four channels of each. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words[0], words[1]));
}

/* Two pixels of a tile at a time, the last one twice where it is alone; `first` is even. */
static inline __attribute__((always_inline)) void finish_pixels(const struct finish *finish,
                                                                const struct finish_block *block,
                                                                size_t first, size_t last,
                                                                __mmask32 mask, struct kind kind)
{
    size_t channel = block->channel, offset = channel * tensor_element_bytes(kind.output);
    const struct factors factors[2] = {load_factors(finish, channel, kind),
                                       load_factors(finish, channel + LANES, kind)};
    const bool has_residual = kind.residual != NO_RESIDUAL;
    for (size_t i = first; i < last; i += 2) {
        size_t next = i + 1 < last ? i + 1 : i;
        const uint8_t *sums = block->sums + i / LANES * PIXELS_BYTES + i % LANES * (LANES * 4);
        const uint8_t *sums_next = sums + (next - i) * (LANES * 4);
        struct values one = finish_pixel(factors, sums, has_residual ? block->residual[i] : NULL,
                                         channel, mask, kind);
        struct values other = finish_pixel(
            factors, sums_next, has_residual ? block->residual[next] : NULL, channel, mask, kind);
        uint8_t *to = block->output[i] + offset, *to_next = block->output[next] + offset;
        if (kind.output != TENSOR_U8) {
            store_floats(to, mask, one, kind);
            store_floats(to_next, mask, other, kind);
        } else {
            __m512i levels = pack_levels(one, other);
            _mm256_mask_storeu_epi8(to, mask, _mm512_castsi512_si256(levels));
            _mm256_mask_storeu_epi8(to_next, mask, _mm512_extracti64x4_epi64(levels, 1));
        }
    }
}

static inline __attribute__((always_inline)) void
finish_rows(const struct finish *finish, const struct finish_block *block, size_t first,
            size_t last, int residual, enum tensor_type output, bool is_int8)
{
    const struct kind kind = {residual, output, is_int8};
    size_t left = finish->channels - block->channel;
    if (left >= 2 * LANES)
        finish_pixels(finish, block, first, last, 0xffffffff, kind);
    else
        finish_pixels(finish, block, first, last, ((__mmask32)1 << left) - 1, kind);
}

#define FINISH(name, residual, output, is_int8)                                                    \
    static void name(const struct finish *finish, const struct finish_block *block, size_t first,  \
                     size_t last)                                                                  \
    {                                                                                              \
        finish_rows(finish, block, first, last, residual, output, is_int8);                        \
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
