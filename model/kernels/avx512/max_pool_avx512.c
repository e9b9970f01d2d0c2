#include "model/kernels/avx512/max_pool_avx512.h"

#include <immintrin.h>

enum { VECTOR_BYTES = 64 };

typedef __m512i vector;

static inline vector vector_load(const uint8_t *from)
{
    return _mm512_loadu_si512(from);
}

static inline void vector_store(uint8_t *to, vector value)
{
    _mm512_storeu_si512(to, value);
}

static inline vector larger_u8(vector a, vector b)
{
    return _mm512_max_epu8(a, b);
}

static inline vector larger_s16(vector a, vector b)
{
    return _mm512_max_epi16(a, b);
}

static inline vector larger_f32(vector a, vector b)
{
    return _mm512_castps_si512(_mm512_max_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b)));
}

static inline vector order_bf16(vector value)
{
    vector sign = _mm512_srai_epi16(value, 15);
    return _mm512_xor_si512(value, _mm512_and_si512(sign, _mm512_set1_epi16(0x7fff)));
}

#include "model/kernels/max_pool_template.h"

MAX_POOL_KERNEL(max_pool_avx512);
