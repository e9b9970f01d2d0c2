#include "model/kernels/avx2/conv_f32_winograd4x4_avx2.h"

#include <immintrin.h>

enum {
    LANES = 8,
    ROWS = 6,    /* 6 x 2 accumulators, 2 vectors of U and one of V: 15 of 16 registers */
    VECTORS = 2, /* of a panel */
};

typedef __m256 vector;
typedef __m256i lanes; /* all bits of each of them set */

static inline vector vector_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vector vector_of(float value)
{
    return _mm256_set1_ps(value);
}

static inline vector vector_load(const float *from)
{
    return _mm256_load_ps(from);
}

static inline vector vector_load_any(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline void vector_store(float *to, vector value)
{
    _mm256_store_ps(to, value);
}

static inline vector vector_fma(vector a, vector b, vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vector vector_fnma(vector a, vector b, vector c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* With the value second a NaN passes. */
static inline vector vector_relu(vector value)
{
    return _mm256_max_ps(_mm256_setzero_ps(), value);
}

static inline lanes first_lanes(size_t count)
{
    const __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), numbers);
}

static inline vector load_lanes(const float *from, lanes these)
{
    return _mm256_maskload_ps(from, these);
}

static inline void store_lanes(float *to, lanes these, vector value)
{
    _mm256_maskstore_ps(to, these, value);
}

#include "model/kernels/winograd4x4_template.h"

static void multiply(const struct winograd4x4_product *product)
{
    for (size_t channel = 0; channel < product->width; channel += VECTORS * LANES)
        multiply_panel(product, channel, VECTORS);
}

WINOGRAD4X4_KERNEL(conv_f32_winograd4x4_avx2);
