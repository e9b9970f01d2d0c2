/* The inner function of direct convolutions on AVX2: tiles of 6 pixels by up to 16 channels, in 12
 * of the 16 registers. A step of float32 needs 8 loads for 12 multiplications, which no CPU with
 * two loads a cycle waits for; 4 pixels by 24 channels would need 7, but leaves a third of a panel
 * empty where a layer has 64 channels.
 *
 * Included by one .c file an arithmetic, which defines before
 *   tile_sum                              the accumulator of 8 channels
 *   tile_sum tile_zero(void)
 *   void tile_step(const uint8_t *weights, const uint8_t *const at[6], int vectors,
 *                  tile_sum sums[6][2])   one K step, with the pixels' values at `at`
 *   __m256 tile_value(tile_sum sum, __m256 multiplier, __m256 offset)
 *   TILE_CASES(run)                       run(output type, residual type or -1) for each it knows
 */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_TILE_AVX2_TEMPLATE_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_TILE_AVX2_TEMPLATE_H

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#include "model/kernels/avx2/tile_avx2.h"
#include "model/kernels/direct_conv.h"

/* `count` values, of which those behind are zero. */
TILE_INLINE __m256 tile_load_residual(const uint8_t *from, int type, size_t count)
{
    uint8_t part[TILE_LANES * sizeof(float)] = {0};
    if (count < TILE_LANES) {
        memcpy(part, from, count * tensor_element_bytes((enum tensor_type)type));
        from = part;
    }
    if (type == TENSOR_F32)
        return _mm256_loadu_ps((const float *)(const void *)from);
    if (type == TENSOR_BF16)
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from)), 16));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)from)));
}

/* Rounds to bfloat16, ties to even; a NaN stays one. */
TILE_INLINE __m128i tile_to_bf16(__m256 value)
{
    __m256i bits = _mm256_castps_si256(value);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    rounded = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), is_nan);
    rounded = _mm256_srli_epi32(rounded, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
}

TILE_INLINE void tile_store(uint8_t *to, int type, __m256 value, bool has_relu, size_t count)
{
    uint8_t part[TILE_LANES * sizeof(float)];
    uint8_t *at = count < TILE_LANES ? part : to;
    /* With the value second a NaN passes, so that it is found. */
    if (has_relu && type != TENSOR_U8)
        value = _mm256_max_ps(_mm256_setzero_ps(), value);
    if (type == TENSOR_F32) {
        _mm256_storeu_ps((float *)(void *)at, value);
    } else if (type == TENSOR_BF16) {
        _mm_storeu_si128((void *)at, tile_to_bf16(value));
    } else {
        value = _mm256_min_ps(_mm256_max_ps(value, _mm256_setzero_ps()), _mm256_set1_ps(255.0f));
        __m256i level = _mm256_cvtps_epi32(value);
        __m128i words =
            _mm_packus_epi32(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1));
        _mm_storel_epi64((void *)at, _mm_packus_epi16(words, words));
    }
    if (count < TILE_LANES)
        /* cppcheck-suppress uninitvar; an intrinsic has filled it */
        memcpy(to, part, count * tensor_element_bytes((enum tensor_type)type));
}

/* The sums of one tile over all segments. */
TILE_INLINE void tile_sum_up(const struct direct_conv_panel *panel, size_t tile, const int vectors,
                             tile_sum sums[TILE_PX][TILE_VECTORS])
{
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sums[i][v] = tile_zero();
    for (size_t s = 0; s < panel->segment_count; s++) {
        const struct direct_conv_segment *segment = &panel->segments[s];
        const uint8_t *const *pixels = panel->pixels[segment->source] + tile * TILE_PX;
        const uint8_t *weights = (const uint8_t *)panel->weights +
                                 (size_t)segment->first_step * (size_t)vectors * TILE_VECTOR_BYTES;
        size_t offset = segment->offset_bytes + (segment->source ? 0 : panel->source_offset_bytes);
        const uint8_t *p0 = pixels[0] + offset, *p1 = pixels[1] + offset, *p2 = pixels[2] + offset;
        const uint8_t *p3 = pixels[3] + offset, *p4 = pixels[4] + offset, *p5 = pixels[5] + offset;
        size_t bytes = (size_t)segment->steps * DIRECT_CONV_STEP_BYTES;
        for (size_t k = 0; k < bytes; k += DIRECT_CONV_STEP_BYTES) {
            const uint8_t *const at[TILE_PX] = {p0 + k, p1 + k, p2 + k, p3 + k, p4 + k, p5 + k};
            tile_step(weights, at, vectors, sums);
            weights += vectors * TILE_VECTOR_BYTES;
        }
    }
}

TILE_INLINE void tile_finish(const struct direct_conv_panel *panel, size_t tile, const int vectors,
                             const int output_type, const int residual_type, bool is_whole,
                             tile_sum sums[TILE_PX][TILE_VECTORS])
{
    size_t out_bytes = tensor_element_bytes((enum tensor_type)output_type);
    size_t residual_bytes = residual_type == TILE_NO_RESIDUAL
                                ? 0
                                : tensor_element_bytes((enum tensor_type)residual_type);
    __m256 residual_multiplier = _mm256_set1_ps(panel->residual_multiplier);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        size_t before = (size_t)v * TILE_LANES, channel = panel->first_channel + before;
        if (!is_whole && before >= panel->channels)
            return;
        size_t left = is_whole ? TILE_LANES : panel->channels - before;
        size_t count = left < TILE_LANES ? left : TILE_LANES;
        __m256 multiplier = _mm256_loadu_ps(panel->multiplier + before);
        __m256 offset = _mm256_loadu_ps(panel->offset + before);
#pragma GCC unroll 6
        for (int i = 0; i < TILE_PX; i++) {
            size_t pixel = tile * TILE_PX + (size_t)i;
            __m256 value = tile_value(sums[i][v], multiplier, offset);
            if (residual_type != TILE_NO_RESIDUAL) {
                __m256 residual = tile_load_residual(
                    panel->residual[pixel] + channel * residual_bytes, residual_type, count);
                value = _mm256_add_ps(value, residual_type == TENSOR_F32
                                                 ? residual
                                                 : _mm256_mul_ps(residual, residual_multiplier));
            }
            tile_store(panel->output[pixel] + channel * out_bytes, output_type, value,
                       panel->has_relu, count);
        }
    }
}

/* Asks for what the tile will add once its sums are there: a line a pixel of float32, which comes
 * from the third cache as a rule. */
TILE_INLINE void tile_fetch_residual(const struct direct_conv_panel *panel, size_t tile)
{
    size_t first = panel->first_channel * sizeof(float);
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++)
        __builtin_prefetch(panel->residual[tile * TILE_PX + (size_t)i] + first);
}

TILE_INLINE void tile_run_as(const struct direct_conv_panel *panel, const int vectors,
                             const int output_type, const int residual_type)
{
    bool is_whole = panel->channels == (size_t)vectors * TILE_LANES;
    for (size_t tile = 0; tile < panel->tiles; tile++) {
        tile_sum sums[TILE_PX][TILE_VECTORS];
        if (residual_type == TENSOR_F32)
            tile_fetch_residual(panel, tile);
        tile_sum_up(panel, tile, vectors, sums);
        if (is_whole)
            tile_finish(panel, tile, vectors, output_type, residual_type, true, sums);
        else
            tile_finish(panel, tile, vectors, output_type, residual_type, false, sums);
    }
}

/* One loop for each pair of types, so that none is asked for within. */
TILE_INLINE void tile_run(const struct direct_conv_panel *panel, const int vectors)
{
    assert((uintptr_t)panel->weights % TILE_VECTOR_BYTES == 0 && panel->channels > 0);
    assert(panel->channels <= (size_t)vectors * TILE_LANES);
    int residual = panel->residual ? (int)panel->residual_type : TILE_NO_RESIDUAL;
#define TILE_CASE(output, with)                                                                    \
    if (panel->output_type == (output) && residual == (int)(with)) {                               \
        tile_run_as(panel, vectors, output, with);                                                 \
        return;                                                                                    \
    }
    TILE_CASES(TILE_CASE)
#undef TILE_CASE
    assert(false); /* direct_conv_supports refuses other types */
}

/* By panel width: 8, 16 channels. */
static void tile_run_8(const struct direct_conv_panel *panel)
{
    tile_run(panel, 1);
}

static void tile_run_16(const struct direct_conv_panel *panel)
{
    tile_run(panel, 2);
}

#define TILE_PANELS                                                                                \
    {                                                                                              \
        {8, tile_run_8}, {16, tile_run_16},                                                        \
        {                                                                                          \
            0, NULL                                                                                \
        }                                                                                          \
    }

#endif
