#include "model/kernels/avx512/conv_f32_winograd4x4_avx512.h"

#include <immintrin.h>

#include "model/kernels/winograd4x4.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = 16,
    TILE = WINOGRAD4X4_TILE_PX,
    WINDOW = WINOGRAD4X4_WINDOW_PX,
    ROWS = 6,    /* 6 x 4 accumulators, 4 vectors of U and one of V: 29 of 32 registers */
    VECTORS = 4, /* of a panel */
};

static __mmask16 channel_mask(size_t channels)
{
    return channels >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << channels) - 1);
}

/* v = BT d; see winograd4x4.h. Products are fused with their sums, so that no compiler has a
 * choice. */
INLINE void multiply_bt(const __m512 d[WINDOW], __m512 v[WINDOW])
{
    const __m512 half = _mm512_set1_ps(0.5f), one_and_half = _mm512_set1_ps(1.5f);
    const __m512 two = _mm512_set1_ps(2.0f);
    __m512 d42 = _mm512_sub_ps(d[4], d[2]), d31 = _mm512_sub_ps(d[3], d[1]);
    __m512 even = _mm512_fmadd_ps(one_and_half, d[3], d42);
    __m512 odd = _mm512_fmadd_ps(one_and_half, d[2], d31);
    v[0] =
        _mm512_fnmadd_ps(two, d[2], _mm512_fmadd_ps(one_and_half, d31, _mm512_add_ps(d[0], d[4])));
    v[1] = _mm512_add_ps(even, odd);
    v[2] = _mm512_sub_ps(even, odd);
    v[3] = _mm512_fmadd_ps(two, d31, d42);
    v[4] = _mm512_fnmadd_ps(half, d31, d42);
    v[5] =
        _mm512_fnmadd_ps(two, d[3], _mm512_fmadd_ps(one_and_half, d42, _mm512_add_ps(d[1], d[5])));
}

/* y = AT m. */
INLINE void multiply_at(const __m512 m[WINDOW], __m512 y[TILE])
{
    __m512 sum = _mm512_add_ps(m[1], m[2]), difference = _mm512_sub_ps(m[1], m[2]);
    y[0] = _mm512_add_ps(_mm512_add_ps(m[0], sum), _mm512_add_ps(m[3], m[4]));
    y[1] = _mm512_fmadd_ps(_mm512_set1_ps(0.5f), m[3], difference);
    y[1] = _mm512_fnmadd_ps(_mm512_set1_ps(2.0f), m[4], y[1]);
    y[2] = _mm512_fmadd_ps(_mm512_set1_ps(0.25f), m[3], sum);
    y[2] = _mm512_fmadd_ps(_mm512_set1_ps(4.0f), m[4], y[2]);
    y[3] = _mm512_fmadd_ps(_mm512_set1_ps(0.125f), m[3], _mm512_add_ps(difference, m[5]));
    y[3] = _mm512_fnmadd_ps(_mm512_set1_ps(8.0f), m[4], y[3]);
}

INLINE void transform_input_vector(const struct winograd4x4_window *window, size_t channel,
                                   bool is_whole, __mmask16 mask, float *ret_v, size_t point_stride)
{
    __m512 columns[WINDOW][WINDOW]; /* [i][x] of BT d */
#pragma GCC unroll 6
    for (size_t x = 0; x < WINDOW; x++) {
        __m512 d[WINDOW], v[WINDOW];
#pragma GCC unroll 6
        for (size_t y = 0; y < WINDOW; y++) {
            const float *from = window->rows[y] + window->columns[x] + channel;
            __mmask16 here = window->has_row[y] && window->has_column[x] ? mask : 0;
            d[y] = is_whole ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(here, from);
        }
        multiply_bt(d, v);
#pragma GCC unroll 6
        for (size_t i = 0; i < WINDOW; i++)
            columns[i][x] = v[i];
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < WINDOW; i++) {
        __m512 v[WINDOW];
        multiply_bt(columns[i], v);
#pragma GCC unroll 6
        for (size_t j = 0; j < WINDOW; j++)
            _mm512_store_ps(ret_v + (WINDOW * i + j) * point_stride, v[j]);
    }
}

static void transform_input(const struct winograd4x4_window *window, size_t channels, float *ret_v,
                            size_t point_stride)
{
    size_t channel = 0;
    if (window->is_whole)
        for (; channel + LANES <= channels; channel += LANES)
            transform_input_vector(window, channel, true, 0xffff, ret_v + channel, point_stride);
    for (; channel < channels; channel += LANES)
        transform_input_vector(window, channel, false, channel_mask(channels - channel),
                               ret_v + channel, point_stride);
}

/* m [rows, vectors] = v [rows, in] x u [in, vectors]. */
INLINE void multiply_rows(const struct winograd4x4_product *product, const float *next_u,
                          const float *v, float *m, size_t rows, size_t vectors)
{
    __m512 sums[ROWS][VECTORS];
#pragma GCC unroll 6
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++)
            sums[row][i] = _mm512_setzero_ps();
    const float *u = product->u;
    for (size_t c = 0; c < product->in; c++, u += vectors * LANES, next_u += vectors * LANES) {
#pragma GCC unroll 2
        for (size_t i = 0; i < (vectors + 1) / 2; i++)
            _mm_prefetch((const char *)(next_u + i * LANES), _MM_HINT_T1);
        __m512 weights[VECTORS];
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++)
            weights[i] = _mm512_load_ps(u + i * LANES);
#pragma GCC unroll 6
        for (size_t row = 0; row < rows; row++) {
            __m512 value = _mm512_set1_ps(v[row * product->v_stride + c]);
#pragma GCC unroll 4
            for (size_t i = 0; i < vectors; i++)
                sums[row][i] = _mm512_fmadd_ps(value, weights[i], sums[row][i]);
        }
    }
#pragma GCC unroll 6
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++)
            _mm512_store_ps(m + row * product->m_stride + i * LANES, sums[row][i]);
}

INLINE void multiply_some_rows(const struct winograd4x4_product *product, const float *next_u,
                               const float *v, float *m, size_t rows, size_t vectors)
{
    switch (rows) {
    case 1:
        multiply_rows(product, next_u, v, m, 1, vectors);
        break;
    case 2:
        multiply_rows(product, next_u, v, m, 2, vectors);
        break;
    case 3:
        multiply_rows(product, next_u, v, m, 3, vectors);
        break;
    case 4:
        multiply_rows(product, next_u, v, m, 4, vectors);
        break;
    case 5:
        multiply_rows(product, next_u, v, m, 5, vectors);
        break;
    default:
        multiply_rows(product, next_u, v, m, 6, vectors);
    }
}

/* Groups of rows as equal as may be: 13 are 5, 4 and 4. Each fetches half of the next U, since the
 * products reach it too early for the CPU's own prefetching: worth 5 to 10 % from 256 channels on,
 * where U comes from the third-level cache. A single group runs at the speed of memory anyway. */
INLINE void multiply_all_rows(const struct winograd4x4_product *product, size_t vectors)
{
    size_t groups = (product->tiles + ROWS - 1) / ROWS;
    const float *next_u = groups > 1 ? product->next_u : product->u;
    for (size_t group = 0; group < groups; group++) {
        size_t first = product->tiles * group / groups;
        size_t rows = product->tiles * (group + 1) / groups - first;
        multiply_some_rows(product, next_u + group % 2 * (vectors / 2) * LANES,
                           product->v + first * product->v_stride,
                           product->m + first * product->m_stride, rows, vectors);
    }
}

static void multiply(const struct winograd4x4_product *product)
{
    switch (product->width / LANES) {
    case 1:
        multiply_all_rows(product, 1);
        break;
    case 2:
        multiply_all_rows(product, 2);
        break;
    case 3:
        multiply_all_rows(product, 3);
        break;
    default:
        multiply_all_rows(product, 4);
    }
}

INLINE void finish_pixel(const struct winograd4x4_patch *patch, size_t y, size_t x, size_t channel,
                         __mmask16 mask, __m512 value)
{
    if (patch->residual)
        value = _mm512_add_ps(
            value, _mm512_maskz_loadu_ps(mask, patch->residual + y * patch->residual_row_stride +
                                                   x * patch->residual_pixel_stride + channel));
    value = _mm512_add_ps(value, _mm512_load_ps(patch->bias + channel));
    if (patch->has_relu)
        value = _mm512_max_ps(_mm512_setzero_ps(), value); /* a NaN stays one */
    _mm512_mask_storeu_ps(patch->out + y * patch->row_stride + x * patch->pixel_stride + channel,
                          mask, value);
}

static void transform_output(const struct winograd4x4_patch *patch, const float *m,
                             size_t point_stride)
{
    for (size_t channel = 0; channel < patch->channels; channel += LANES) {
        __mmask16 mask = channel_mask(patch->channels - channel);
        __m512 columns[TILE][WINDOW]; /* [y][j] of AT m */
#pragma GCC unroll 6
        for (size_t j = 0; j < WINDOW; j++) {
            __m512 point[WINDOW], y[TILE];
#pragma GCC unroll 6
            for (size_t i = 0; i < WINDOW; i++)
                point[i] = _mm512_load_ps(m + (WINDOW * i + j) * point_stride + channel);
            multiply_at(point, y);
#pragma GCC unroll 4
            for (size_t i = 0; i < TILE; i++)
                columns[i][j] = y[i];
        }
#pragma GCC unroll 4
        for (size_t y = 0; y < TILE; y++) {
            __m512 values[TILE];
            multiply_at(columns[y], values);
#pragma GCC unroll 4
            for (size_t x = 0; x < TILE; x++)
                if (y < patch->rows && x < patch->columns)
                    finish_pixel(patch, y, x, channel, mask, values[x]);
        }
    }
}

static const struct winograd4x4_parts parts = {
    .panel_channels = VECTORS * LANES,
    .transform_input = transform_input,
    .multiply = multiply,
    .transform_output = transform_output,
};

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    winograd4x4_pack(step, weights, parts.panel_channels, ret_packed);
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    winograd4x4_run(&parts, run, first, last, scratch);
}

const struct kernel conv_f32_winograd4x4_avx512 = {
    .name = "conv_f32_winograd4x4_avx512",
    .supports = winograd4x4_supports,
    .packed_bytes = winograd4x4_packed_bytes,
    .pack = pack,
    .scratch_bytes = winograd4x4_scratch_bytes,
    .units = winograd4x4_units,
    .run = run,
};
