#include "model/kernels/avx512/conv_f32_winograd4x4_avx512.h"

#include <immintrin.h>

enum {
    LANES = 16,
    ROWS = 6,    /* 6 x 4 accumulators, 4 vectors of U and one of V: 29 of 32 registers */
    VECTORS = 4, /* of a panel */
};

typedef __m512 vector;
typedef __mmask16 lanes;

static inline vector vector_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vector vector_of(float value)
{
    return _mm512_set1_ps(value);
}

static inline vector vector_load(const float *from)
{
    return _mm512_load_ps(from);
}

static inline vector vector_load_any(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void vector_store(float *to, vector value)
{
    _mm512_store_ps(to, value);
}

static inline vector vector_fma(vector a, vector b, vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vector vector_fnma(vector a, vector b, vector c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* With the value second a NaN passes. */
static inline vector vector_relu(vector value)
{
    return _mm512_max_ps(_mm512_setzero_ps(), value);
}

static inline lanes first_lanes(size_t count)
{
    return (__mmask16)(count >= LANES ? 0xffffu : (1u << count) - 1);
}

static inline vector load_lanes(const float *from, lanes these)
{
    return _mm512_maskz_loadu_ps(these, from);
}

static inline void store_lanes(float *to, lanes these, vector value)
{
    _mm512_mask_storeu_ps(to, these, value);
}

#include "model/kernels/winograd4x4_template.h"

/* A block of output channels is one panel, of which a narrow one has fewer vectors. */
static void multiply(const struct winograd4x4_product *product)
{
    switch (product->width / LANES) {
    case 1:
        multiply_panel(product, 0, 1);
        break;
    case 2:
        multiply_panel(product, 0, 2);
        break;
    case 3:
        multiply_panel(product, 0, 3);
        break;
    default:
        multiply_panel(product, 0, 4);
    }
}

WINOGRAD4X4_KERNEL(conv_f32_winograd4x4_avx512);
