#include "model/kernels/avx2/conv_f32_winograd4x4_avx2.h"

#include <immintrin.h>

#include "model/kernels/winograd4x4.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = 8,
    TILE = WINOGRAD4X4_TILE_PX,
    WINDOW = WINOGRAD4X4_WINDOW_PX,
    ROWS = 6,    /* 6 x 2 accumulators, 2 vectors of U and one of V: 15 of 16 registers */
    VECTORS = 2, /* of a panel */
};

/* All bits set in the first `channels` lanes. */
static __m256i channel_mask(size_t channels)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(channels < LANES ? (int)channels : LANES), lanes);
}

/* v = BT d; see winograd4x4.h. Products are fused with their sums, so that no compiler has a
 * choice. */
INLINE void multiply_bt(const __m256 d[WINDOW], __m256 v[WINDOW])
{
    const __m256 half = _mm256_set1_ps(0.5f), one_and_half = _mm256_set1_ps(1.5f);
    const __m256 two = _mm256_set1_ps(2.0f);
    __m256 d42 = _mm256_sub_ps(d[4], d[2]), d31 = _mm256_sub_ps(d[3], d[1]);
    __m256 even = _mm256_fmadd_ps(one_and_half, d[3], d42);
    __m256 odd = _mm256_fmadd_ps(one_and_half, d[2], d31);
    v[0] =
        _mm256_fnmadd_ps(two, d[2], _mm256_fmadd_ps(one_and_half, d31, _mm256_add_ps(d[0], d[4])));
    v[1] = _mm256_add_ps(even, odd);
    v[2] = _mm256_sub_ps(even, odd);
    v[3] = _mm256_fmadd_ps(two, d31, d42);
    v[4] = _mm256_fnmadd_ps(half, d31, d42);
    v[5] =
        _mm256_fnmadd_ps(two, d[3], _mm256_fmadd_ps(one_and_half, d42, _mm256_add_ps(d[1], d[5])));
}

/* y = AT m. */
INLINE void multiply_at(const __m256 m[WINDOW], __m256 y[TILE])
{
    __m256 sum = _mm256_add_ps(m[1], m[2]), difference = _mm256_sub_ps(m[1], m[2]);
    y[0] = _mm256_add_ps(_mm256_add_ps(m[0], sum), _mm256_add_ps(m[3], m[4]));
    y[1] = _mm256_fmadd_ps(_mm256_set1_ps(0.5f), m[3], difference);
    y[1] = _mm256_fnmadd_ps(_mm256_set1_ps(2.0f), m[4], y[1]);
    y[2] = _mm256_fmadd_ps(_mm256_set1_ps(0.25f), m[3], sum);
    y[2] = _mm256_fmadd_ps(_mm256_set1_ps(4.0f), m[4], y[2]);
    y[3] = _mm256_fmadd_ps(_mm256_set1_ps(0.125f), m[3], _mm256_add_ps(difference, m[5]));
    y[3] = _mm256_fnmadd_ps(_mm256_set1_ps(8.0f), m[4], y[3]);
}

INLINE void transform_input_vector(const struct winograd4x4_window *window, size_t channel,
                                   bool is_whole, __m256i mask, float *ret_v, size_t point_stride)
{
    __m256 columns[WINDOW][WINDOW]; /* [i][x] of BT d */
#pragma GCC unroll 6
    for (size_t x = 0; x < WINDOW; x++) {
        __m256 d[WINDOW], v[WINDOW];
#pragma GCC unroll 6
        for (size_t y = 0; y < WINDOW; y++) {
            const float *from = window->rows[y] + window->columns[x] + channel;
            bool is_here = window->has_row[y] && window->has_column[x];
            d[y] = is_whole  ? _mm256_loadu_ps(from)
                   : is_here ? _mm256_maskload_ps(from, mask)
                             : _mm256_setzero_ps();
        }
        multiply_bt(d, v);
#pragma GCC unroll 6
        for (size_t i = 0; i < WINDOW; i++)
            columns[i][x] = v[i];
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < WINDOW; i++) {
        __m256 v[WINDOW];
        multiply_bt(columns[i], v);
#pragma GCC unroll 6
        for (size_t j = 0; j < WINDOW; j++)
            _mm256_store_ps(ret_v + (WINDOW * i + j) * point_stride, v[j]);
    }
}

static void transform_input(const struct winograd4x4_window *window, size_t channels, float *ret_v,
                            size_t point_stride)
{
    size_t channel = 0;
    if (window->is_whole)
        for (; channel + LANES <= channels; channel += LANES)
            transform_input_vector(window, channel, true, channel_mask(LANES), ret_v + channel,
                                   point_stride);
    for (; channel < channels; channel += LANES)
        transform_input_vector(window, channel, false, channel_mask(channels - channel),
                               ret_v + channel, point_stride);
}

/* m [rows, panel] = v [rows, in] x u [in, panel]. */
INLINE void multiply_rows(const struct winograd4x4_product *product, const float *u,
                          const float *next_u, const float *v, float *m, size_t rows)
{
    __m256 sums[ROWS][VECTORS];
#pragma GCC unroll 6
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (size_t i = 0; i < VECTORS; i++)
            sums[row][i] = _mm256_setzero_ps();
    for (size_t c = 0; c < product->in; c++, u += VECTORS * LANES, next_u += VECTORS * LANES) {
        _mm_prefetch((const char *)next_u, _MM_HINT_T1);
        __m256 weights[VECTORS];
#pragma GCC unroll 2
        for (size_t i = 0; i < VECTORS; i++)
            weights[i] = _mm256_load_ps(u + i * LANES);
#pragma GCC unroll 6
        for (size_t row = 0; row < rows; row++) {
            __m256 value = _mm256_broadcast_ss(v + row * product->v_stride + c);
#pragma GCC unroll 2
            for (size_t i = 0; i < VECTORS; i++)
                sums[row][i] = _mm256_fmadd_ps(value, weights[i], sums[row][i]);
        }
    }
#pragma GCC unroll 6
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (size_t i = 0; i < VECTORS; i++)
            _mm256_store_ps(m + row * product->m_stride + i * LANES, sums[row][i]);
}

static void multiply_some_rows(const struct winograd4x4_product *product, const float *u,
                               const float *next_u, const float *v, float *m, size_t rows)
{
    switch (rows) {
    case 1:
        multiply_rows(product, u, next_u, v, m, 1);
        break;
    case 2:
        multiply_rows(product, u, next_u, v, m, 2);
        break;
    case 3:
        multiply_rows(product, u, next_u, v, m, 3);
        break;
    case 4:
        multiply_rows(product, u, next_u, v, m, 4);
        break;
    case 5:
        multiply_rows(product, u, next_u, v, m, 5);
        break;
    default:
        multiply_rows(product, u, next_u, v, m, 6);
    }
}

/* Groups of rows as equal as may be: 13 are 5, 4 and 4. Each fetches the next U, whose panels are
 * too short for the CPU's own prefetching: worth 15 to 40 % from 256 channels on, where U comes
 * from the third-level cache. A single group runs at the speed of memory anyway. */
static void multiply(const struct winograd4x4_product *product)
{
    size_t groups = (product->tiles + ROWS - 1) / ROWS;
    const float *next_u = groups > 1 ? product->next_u : product->u;
    for (size_t channel = 0; channel < product->width; channel += VECTORS * LANES)
        for (size_t group = 0; group < groups; group++) {
            size_t first = product->tiles * group / groups;
            size_t rows = product->tiles * (group + 1) / groups - first;
            multiply_some_rows(product, product->u + channel * product->in,
                               next_u + channel * product->in,
                               product->v + first * product->v_stride,
                               product->m + first * product->m_stride + channel, rows);
        }
}

INLINE void finish_pixel(const struct winograd4x4_patch *patch, size_t y, size_t x, size_t channel,
                         __m256i mask, __m256 value)
{
    if (patch->residual)
        value = _mm256_add_ps(value,
                              _mm256_maskload_ps(patch->residual + y * patch->residual_row_stride +
                                                     x * patch->residual_pixel_stride + channel,
                                                 mask));
    value = _mm256_add_ps(value, _mm256_load_ps(patch->bias + channel));
    if (patch->has_relu)
        value = _mm256_max_ps(_mm256_setzero_ps(), value); /* a NaN stays one */
    _mm256_maskstore_ps(patch->out + y * patch->row_stride + x * patch->pixel_stride + channel,
                        mask, value);
}

static void transform_output(const struct winograd4x4_patch *patch, const float *m,
                             size_t point_stride)
{
    for (size_t channel = 0; channel < patch->channels; channel += LANES) {
        __m256i mask = channel_mask(patch->channels - channel);
        __m256 columns[TILE][WINDOW]; /* [y][j] of AT m */
#pragma GCC unroll 6
        for (size_t j = 0; j < WINDOW; j++) {
            __m256 point[WINDOW], y[TILE];
#pragma GCC unroll 6
            for (size_t i = 0; i < WINDOW; i++)
                point[i] = _mm256_load_ps(m + (WINDOW * i + j) * point_stride + channel);
            multiply_at(point, y);
#pragma GCC unroll 4
            for (size_t i = 0; i < TILE; i++)
                columns[i][j] = y[i];
        }
#pragma GCC unroll 4
        for (size_t y = 0; y < TILE; y++) {
            __m256 values[TILE];
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

const struct kernel conv_f32_winograd4x4_avx2 = {
    .name = "conv_f32_winograd4x4_avx2",
    .supports = winograd4x4_supports,
    .packed_bytes = winograd4x4_packed_bytes,
    .pack = pack,
    .scratch_bytes = winograd4x4_scratch_bytes,
    .units = winograd4x4_units,
    .run = run,
};
