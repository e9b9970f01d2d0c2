/* The three parts of winograd4x4.h for one instruction set with fused multiply-add.
 *
 * Included by one .c file an instruction set, which defines before
 *   vector                                    LANES floats, with + and -
 *   LANES, VECTORS, ROWS                      a vector's floats, the vectors of a panel (at most 4)
 *                                             and the tiles that are multiplied by it at once (6)
 *   vector vector_zero(void)
 *   vector vector_of(float value)             in all lanes
 *   vector vector_load(const float *from), vector_load_any(from), vector_store(to, value)
 *                                             whole ones, aligned but for `any`
 *   vector vector_fma(a, b, c)                a * b + c
 *   vector vector_fnma(a, b, c)               c - a * b
 *   vector vector_relu(vector value)          a NaN stays one
 *   lanes                                     some of a vector's lanes
 *   lanes first_lanes(size_t count)           the first ones; all from LANES on
 *   vector load_lanes(from, lanes), store_lanes(to, lanes, value)
 *                                             zeros in the others; the others are left alone
 * and which writes `multiply` from multiply_panel. */
#ifndef CLASSIFYD_MODEL_KERNELS_WINOGRAD4X4_TEMPLATE_H
#define CLASSIFYD_MODEL_KERNELS_WINOGRAD4X4_TEMPLATE_H

#include "model/kernels/winograd4x4.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    TILE = WINOGRAD4X4_TILE_PX,
    WINDOW = WINOGRAD4X4_WINDOW_PX,
    LINE = 16,        /* floats of a cache line */
    SECOND_LEVEL = 2, /* where __builtin_prefetch is to fetch it */
};

/* v = BT d. Products are fused with their sums, so that no compiler has a choice. */
INLINE void multiply_bt(const vector d[WINDOW], vector v[WINDOW])
{
    const vector half = vector_of(0.5f), one_and_half = vector_of(1.5f), two = vector_of(2.0f);
    vector d42 = d[4] - d[2], d31 = d[3] - d[1];
    vector even = vector_fma(one_and_half, d[3], d42);
    vector odd = vector_fma(one_and_half, d[2], d31);
    v[0] = vector_fnma(two, d[2], vector_fma(one_and_half, d31, d[0] + d[4]));
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = vector_fma(two, d31, d42);
    v[4] = vector_fnma(half, d31, d42);
    v[5] = vector_fnma(two, d[3], vector_fma(one_and_half, d42, d[1] + d[5]));
}

/* y = AT m. */
INLINE void multiply_at(const vector m[WINDOW], vector y[TILE])
{
    vector sum = m[1] + m[2], difference = m[1] - m[2];
    y[0] = (m[0] + sum) + (m[3] + m[4]);
    y[1] = vector_fma(vector_of(0.5f), m[3], difference);
    y[1] = vector_fnma(vector_of(2.0f), m[4], y[1]);
    y[2] = vector_fma(vector_of(0.25f), m[3], sum);
    y[2] = vector_fma(vector_of(4.0f), m[4], y[2]);
    y[3] = vector_fma(vector_of(0.125f), m[3], difference + m[5]);
    y[3] = vector_fnma(vector_of(8.0f), m[4], y[3]);
}

INLINE void transform_input_vector(const struct winograd4x4_window *window, size_t channel,
                                   bool is_whole, lanes channels, float *ret_v, size_t point_stride)
{
    vector columns[WINDOW][WINDOW]; /* [i][x] of BT d */
#pragma GCC unroll 6
    for (size_t x = 0; x < WINDOW; x++) {
        vector d[WINDOW], v[WINDOW];
#pragma GCC unroll 6
        for (size_t y = 0; y < WINDOW; y++) {
            const float *from = window->rows[y] + window->columns[x] + channel;
            bool is_here = window->has_row[y] && window->has_column[x];
            d[y] = is_whole  ? vector_load_any(from)
                   : is_here ? load_lanes(from, channels)
                             : vector_zero();
        }
        multiply_bt(d, v);
#pragma GCC unroll 6
        for (size_t i = 0; i < WINDOW; i++)
            columns[i][x] = v[i];
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < WINDOW; i++) {
        vector v[WINDOW];
        multiply_bt(columns[i], v);
#pragma GCC unroll 6
        for (size_t j = 0; j < WINDOW; j++)
            vector_store(ret_v + (WINDOW * i + j) * point_stride, v[j]);
    }
}

static void transform_input(const struct winograd4x4_window *window, size_t channels, float *ret_v,
                            size_t point_stride)
{
    size_t channel = 0;
    if (window->is_whole)
        for (; channel + LANES <= channels; channel += LANES)
            transform_input_vector(window, channel, true, first_lanes(LANES), ret_v + channel,
                                   point_stride);
    for (; channel < channels; channel += LANES)
        transform_input_vector(window, channel, false, first_lanes(channels - channel),
                               ret_v + channel, point_stride);
}

/* m [rows, vectors] = v [rows, in] x u [in, vectors]; fetches the first `lines` of each row of
 * next_u meanwhile, by hand: a function that did nothing else would be removed as having no effect.
 */
INLINE void multiply_rows(const struct winograd4x4_product *product, const float *u,
                          const float *next_u, size_t lines, const float *v, float *m, size_t rows,
                          size_t vectors)
{
    vector sums[ROWS][VECTORS];
#pragma GCC unroll 6
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++)
            sums[row][i] = vector_zero();
    for (size_t c = 0; c < product->in; c++, u += vectors * LANES, next_u += vectors * LANES) {
#pragma GCC unroll 2
        for (size_t i = 0; i < lines; i++)
            __builtin_prefetch(next_u + i * LINE, 0, SECOND_LEVEL);
        vector weights[VECTORS];
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++)
            weights[i] = vector_load(u + i * LANES);
#pragma GCC unroll 6
        for (size_t row = 0; row < rows; row++) {
            vector value = vector_of(v[row * product->v_stride + c]);
#pragma GCC unroll 4
            for (size_t i = 0; i < vectors; i++)
                sums[row][i] = vector_fma(value, weights[i], sums[row][i]);
        }
    }
#pragma GCC unroll 6
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++)
            vector_store(m + row * product->m_stride + i * LANES, sums[row][i]);
}

INLINE void multiply_some_rows(const struct winograd4x4_product *product, const float *u,
                               const float *next_u, size_t lines, const float *v, float *m,
                               size_t rows, size_t vectors)
{
    switch (rows) {
    case 1:
        multiply_rows(product, u, next_u, lines, v, m, 1, vectors);
        break;
    case 2:
        multiply_rows(product, u, next_u, lines, v, m, 2, vectors);
        break;
    case 3:
        multiply_rows(product, u, next_u, lines, v, m, 3, vectors);
        break;
    case 4:
        multiply_rows(product, u, next_u, lines, v, m, 4, vectors);
        break;
    case 5:
        multiply_rows(product, u, next_u, lines, v, m, 5, vectors);
        break;
    default:
        multiply_rows(product, u, next_u, lines, v, m, 6, vectors);
    }
}

/* The panel of `vectors` from output channel `channel` on. Groups of rows as equal as may be: 13
 * are 5, 4 and 4. Each fetches half of the next U, or all where that is a single line a row, since
 * the products reach it too early for the CPU's own prefetching: worth 5 to 10 % with AVX-512 and
 * 15 to 40 % with AVX2 from 256 channels on, where U comes from the third-level cache. A single
 * group runs at the speed of memory anyway. */
INLINE void multiply_panel(const struct winograd4x4_product *product, size_t channel,
                           size_t vectors)
{
    const size_t lines = vectors * LANES / LINE;
    size_t groups = (product->tiles + ROWS - 1) / ROWS;
    const float *u = product->u + channel * product->in;
    const float *next_u = groups > 1 ? product->next_u + channel * product->in : u;
    for (size_t group = 0; group < groups; group++) {
        size_t first = product->tiles * group / groups;
        size_t rows = product->tiles * (group + 1) / groups - first;
        multiply_some_rows(product, u, next_u + group % 2 * (lines / 2) * LINE, (lines + 1) / 2,
                           product->v + first * product->v_stride,
                           product->m + first * product->m_stride + channel, rows, vectors);
    }
}

INLINE void finish_pixel(const struct winograd4x4_patch *patch, size_t y, size_t x, size_t channel,
                         lanes channels, vector value)
{
    if (patch->residual)
        value = value + load_lanes(patch->residual + y * patch->residual_row_stride +
                                       x * patch->residual_pixel_stride + channel,
                                   channels);
    value = value + vector_load(patch->bias + channel);
    if (patch->has_relu)
        value = vector_relu(value);
    store_lanes(patch->out + y * patch->row_stride + x * patch->pixel_stride + channel, channels,
                value);
}

static void transform_output(const struct winograd4x4_patch *patch, const float *m,
                             size_t point_stride)
{
    for (size_t channel = 0; channel < patch->channels; channel += LANES) {
        lanes channels = first_lanes(patch->channels - channel);
        vector columns[TILE][WINDOW]; /* [y][j] of AT m */
#pragma GCC unroll 6
        for (size_t j = 0; j < WINDOW; j++) {
            vector point[WINDOW], y[TILE];
#pragma GCC unroll 6
            for (size_t i = 0; i < WINDOW; i++)
                point[i] = vector_load(m + (WINDOW * i + j) * point_stride + channel);
            multiply_at(point, y);
#pragma GCC unroll 4
            for (size_t i = 0; i < TILE; i++)
                columns[i][j] = y[i];
        }
#pragma GCC unroll 4
        for (size_t y = 0; y < TILE; y++) {
            vector values[TILE];
            multiply_at(columns[y], values);
#pragma GCC unroll 4
            for (size_t x = 0; x < TILE; x++)
                if (y < patch->rows && x < patch->columns)
                    finish_pixel(patch, y, x, channel, channels, values[x]);
        }
    }
}

static void multiply(const struct winograd4x4_product *product);

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

#define WINOGRAD4X4_KERNEL(kernel_name)                                                            \
    const struct kernel kernel_name = {                                                            \
        .name = #kernel_name,                                                                      \
        .supports = winograd4x4_supports,                                                          \
        .packed_bytes = winograd4x4_packed_bytes,                                                  \
        .pack = pack,                                                                              \
        .scratch_bytes = winograd4x4_scratch_bytes,                                                \
        .units = winograd4x4_units,                                                                \
        .run = run,                                                                                \
    }

#endif
