#include "model/kernels/avx2/max_pool_avx2.h"

#include <immintrin.h>

enum { VECTOR_BYTES = 32 };

typedef __m256i vector;

static inline vector vector_load(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

static inline void vector_store(uint8_t *to, vector value)
{
    _mm256_storeu_si256((__m256i *)(void *)to, value);
}

static inline vector larger_u8(vector a, vector b)
{
    return _mm256_max_epu8(a, b);
}

static inline vector larger_s16(vector a, vector b)
{
    return _mm256_max_epi16(a, b);
}

static inline vector larger_f32(vector a, vector b)
{
    return _mm256_castps_si256(_mm256_max_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)));
}

static inline vector order_bf16(vector value)
{
    vector sign = _mm256_srai_epi16(value, 15);
    return _mm256_xor_si256(value, _mm256_and_si256(sign, _mm256_set1_epi16(0x7fff)));
}

#include "model/kernels/max_pool_template.h"

MAX_POOL_KERNEL(max_pool_avx2);
