/* The inner function of direct convolutions on AVX-512: tiles of 6 pixels by up to 64 channels, in
 * 24 of the 32 registers; 4 more hold a step's weights, one the pixel's value. 6 x 64 needs 10
 * loads for 24 multiplications, so neither a CPU with one nor one with two 512-bit multipliers
 * waits for loads, and the weights of a step are read once for 6 pixels: from the L2 that is fast
 * enough (measured in BENCHMARKS.md).
 *
 * Included by one .c file an arithmetic, which defines before
 *   tile_sum                              the accumulator of 16 channels
 *   tile_sum tile_zero(void)
 *   tile_sum tile_add(tile_sum sum, __m512i weights, __m512i value)      one K step
 *   __m512 tile_value(tile_sum sum, __m512 multiplier, __m512 offset)
 *   TILE_CASES(run)                       run(output type, residual type or -1) for each it knows
 */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX512_TILE_AVX512_TEMPLATE_H
#define CLASSIFYD_MODEL_KERNELS_AVX512_TILE_AVX512_TEMPLATE_H

#include <assert.h>
#include <immintrin.h>

#include "model/kernels/direct_conv.h"

enum { TILE_PX = 6, TILE_LANES = 16, TILE_NO_RESIDUAL = -1 };

/* A pixel's K step, which in the first layer lies at any byte. */
typedef int32_t tile_step __attribute__((aligned(1), may_alias));

#define TILE_INLINE static inline __attribute__((always_inline))

/* a + b, rounded likewise. Multipliers stand still while a tile is finished, and adders, of which
 * Zen has others, do not: they convert, too. */
TILE_INLINE __m512 tile_plus(__m512 a, __m512 b)
{
    return _mm512_fmadd_ps(a, _mm512_set1_ps(1.0f), b);
}

TILE_INLINE __m512 tile_load_residual(const uint8_t *from, int type, __mmask16 mask)
{
    if (type == TENSOR_F32)
        return _mm512_maskz_loadu_ps(mask, from);
    if (type == TENSOR_BF16)
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from)));
}

/* Two times 16 values as bfloat16, ties to even; a NaN stays one, a denormal becomes zero. For
 * kernels that ask for AVX512_BF16; as an instruction, since others are compiled without it. */
TILE_INLINE __m512i tile_to_bf16(__m512 low, __m512 high)
{
    __m512i halves;
    __asm__("vcvtne2ps2bf16 %2, %1, %0" : "=v"(halves) : "v"(high), "v"(low));
    return halves;
}

/* `vectors` times 16 u8 levels: below zero, and NaN, is zero. What is packed lies lane by lane,
 * four bytes a vector, before it is put in order. */
TILE_INLINE void tile_store_levels(uint8_t *to, const int vectors, const __m512 values[4],
                                   const __mmask16 masks[4])
{
    __m512i levels[4];
    __mmask64 mask = 0;
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        levels[v] = _mm512_setzero_si512();
        if (v < vectors) {
            /* With the value second a NaN passes, and is then the least integer. */
            levels[v] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(255.0f), values[v]));
            mask |= (__mmask64)masks[v] << (v * TILE_LANES);
        }
    }
    __m512i packed = _mm512_packus_epi16(_mm512_packs_epi32(levels[0], levels[1]),
                                         _mm512_packs_epi32(levels[2], levels[3]));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_mask_storeu_epi8(to, mask, _mm512_permutexvar_epi32(order, packed));
}

/* A pixel's channels of a panel. */
TILE_INLINE void tile_store(uint8_t *to, int type, bool has_relu, const int vectors,
                            __m512 values[4], const __mmask16 masks[4])
{
    if (type == TENSOR_U8) {
        tile_store_levels(to, vectors, values, masks);
        return;
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors && has_relu; v++) /* with the value second a NaN passes */
        values[v] = _mm512_max_ps(_mm512_setzero_ps(), values[v]);
    if (type == TENSOR_F32) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            _mm512_mask_storeu_ps(to + v * 64, masks[v], values[v]);
        return;
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v += 2) {
        bool is_pair = v + 1 < vectors;
        __mmask32 mask = masks[v] | (is_pair ? (__mmask32)masks[v + 1] << TILE_LANES : 0);
        _mm512_mask_storeu_epi16(to + v * 32, mask,
                                 tile_to_bf16(values[v], is_pair ? values[v + 1] : values[v]));
    }
}

/* The sums of one tile over all segments. */
TILE_INLINE void tile_sum_up(const struct direct_conv_panel *panel, size_t tile, const int vectors,
                             tile_sum sums[TILE_PX][4])
{
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[i][v] = tile_zero();
    for (size_t s = 0; s < panel->segment_count; s++) {
        const struct direct_conv_segment *segment = &panel->segments[s];
        const uint8_t *const *pixels = panel->pixels[segment->source] + tile * TILE_PX;
        const uint8_t *weights =
            (const uint8_t *)panel->weights + (size_t)segment->first_step * (size_t)vectors * 64;
        size_t offset = segment->offset_bytes + (segment->source ? 0 : panel->source_offset_bytes);
        const uint8_t *p0 = pixels[0] + offset, *p1 = pixels[1] + offset, *p2 = pixels[2] + offset;
        const uint8_t *p3 = pixels[3] + offset, *p4 = pixels[4] + offset, *p5 = pixels[5] + offset;
        size_t bytes = (size_t)segment->steps * DIRECT_CONV_STEP_BYTES;
        for (size_t k = 0; k < bytes; k += DIRECT_CONV_STEP_BYTES) {
            __m512i w[4];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                w[v] = _mm512_load_si512(weights + v * 64);
            weights += vectors * 64;
            const uint8_t *const at[TILE_PX] = {p0 + k, p1 + k, p2 + k, p3 + k, p4 + k, p5 + k};
#pragma GCC unroll 6
            for (int i = 0; i < TILE_PX; i++) {
                __m512i value = _mm512_set1_epi32(*(const tile_step *)(const void *)at[i]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sums[i][v] = tile_add(sums[i][v], w[v], value);
            }
        }
    }
}

TILE_INLINE void tile_finish(const struct direct_conv_panel *panel, size_t tile, const int vectors,
                             const int output_type, const int residual_type,
                             const __mmask16 masks[4], tile_sum sums[TILE_PX][4])
{
    size_t out_bytes = tensor_element_bytes((enum tensor_type)output_type);
    size_t residual_bytes = residual_type == TILE_NO_RESIDUAL
                                ? 0
                                : tensor_element_bytes((enum tensor_type)residual_type);
    __m512 residual_multiplier = _mm512_set1_ps(panel->residual_multiplier);
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++) {
        size_t pixel = tile * TILE_PX + (size_t)i;
        __m512 values[4];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            size_t channel = panel->first_channel + (size_t)v * TILE_LANES;
            values[v] = tile_value(sums[i][v], _mm512_loadu_ps(panel->multiplier + v * TILE_LANES),
                                   _mm512_loadu_ps(panel->offset + v * TILE_LANES));
            if (residual_type != TILE_NO_RESIDUAL) {
                __m512 residual = tile_load_residual(
                    panel->residual[pixel] + channel * residual_bytes, residual_type, masks[v]);
                values[v] =
                    tile_plus(values[v], residual_type == TENSOR_F32
                                             ? residual
                                             : _mm512_mul_ps(residual, residual_multiplier));
            }
        }
        tile_store(panel->output[pixel] + panel->first_channel * out_bytes, output_type,
                   panel->has_relu, vectors, values, masks);
    }
}

/* Asks for what the tile will read. */
TILE_INLINE void tile_fetch_pixels(const struct direct_conv_panel *panel, size_t tile)
{
    for (size_t at = 0; at < panel->fetch_bytes; at += 64)
#pragma GCC unroll 6
        for (int i = 0; i < TILE_PX; i++)
            __builtin_prefetch(panel->pixels[0][tile * TILE_PX + (size_t)i] + at);
}

/* Asks for what the tile will add once its sums are there: several lines a pixel, which come from
 * the third cache as a rule. Of narrower types it is one, and asking was measured to cost more. */
TILE_INLINE void tile_fetch_residual(const struct direct_conv_panel *panel, size_t tile,
                                     const int vectors)
{
    size_t first = panel->first_channel * sizeof(float);
#pragma GCC unroll 6
    for (int i = 0; i < TILE_PX; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            __builtin_prefetch(panel->residual[tile * TILE_PX + (size_t)i] + first + v * 64);
}

TILE_INLINE void tile_run_as(const struct direct_conv_panel *panel, const int vectors,
                             const int output_type, const int residual_type)
{
    __mmask16 masks[4];
    for (int v = 0; v < vectors; v++) {
        size_t before = (size_t)v * TILE_LANES;
        size_t left = panel->channels > before ? panel->channels - before : 0;
        masks[v] = (__mmask16)(left >= TILE_LANES ? 0xffffu : (1u << left) - 1);
    }
    for (size_t tile = 0; tile < panel->tiles; tile++) {
        tile_sum sums[TILE_PX][4];
        if (tile + 1 < panel->tiles)
            tile_fetch_pixels(panel, tile + 1);
        if (residual_type == TENSOR_F32)
            tile_fetch_residual(panel, tile, vectors);
        tile_sum_up(panel, tile, vectors, sums);
        tile_finish(panel, tile, vectors, output_type, residual_type, masks, sums);
    }
}

/* One loop for each pair of types, so that none is asked for within. */
TILE_INLINE void tile_run(const struct direct_conv_panel *panel, const int vectors)
{
    assert((uintptr_t)panel->weights % 64 == 0 && panel->channels > 0);
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

/* By panel width: 16, 32, 64 channels. */
static void tile_run_16(const struct direct_conv_panel *panel)
{
    tile_run(panel, 1);
}

static void tile_run_32(const struct direct_conv_panel *panel)
{
    tile_run(panel, 2);
}

static void tile_run_64(const struct direct_conv_panel *panel)
{
    tile_run(panel, 4);
}

#define TILE_PANELS                                                                                \
    {                                                                                              \
        {16, tile_run_16}, {32, tile_run_32}, {64, tile_run_64},                                   \
        {                                                                                          \
            0, NULL                                                                                \
        }                                                                                          \
    }

#endif
