#include "model/kernels/burst/burst_avx2.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Two FMA units with a latency of 4 or 5 cycles want ten sums under way; 16 registers hold twelve
 * and their operands. */
enum { SUMS = 12, F32_LANES = 8, INT8_LANES = 32, VECTOR_BYTES = 32, UNROLL = 8 };

static bool is_able(const struct cpu_features *cpu)
{
    return cpu->has_avx2_fma;
}

__attribute__((target("avx2,fma"))) static void run_f32(const struct burst_data *data,
                                                        size_t rounds)
{
    __m256 sums[SUMS], a = _mm256_load_ps(data->f32), b = _mm256_load_ps(data->f32 + F32_LANES);
    for (int s = 0; s < SUMS; s++)
        sums[s] = _mm256_setzero_ps();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int s = 0; s < SUMS; s++)
            sums[s] = _mm256_fmadd_ps(a, b, sums[s]);
        __asm__ volatile("" : "+x"(a), "+x"(b)); /* the product is not to be computed once */
    }
    for (int s = 0; s < SUMS; s++)
        __asm__ volatile("" : : "x"(sums[s]));
}

__attribute__((target("avx2"))) static void run_int8(const struct burst_data *data, size_t rounds)
{
    __m256i sums[SUMS], a = _mm256_load_si256((const __m256i *)(const void *)data->int8);
    __m256i b = _mm256_load_si256((const __m256i *)(const void *)(data->int8 + INT8_LANES));
    const __m256i ones = _mm256_set1_epi16(1);
    for (int s = 0; s < SUMS; s++)
        sums[s] = _mm256_setzero_si256();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int s = 0; s < SUMS; s++) {
            __m256i pairs = _mm256_maddubs_epi16(a, b);
            __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(pairs)); /* one a sum, as a kernel has */
            sums[s] = _mm256_add_epi32(sums[s], _mm256_madd_epi16(pairs, ones));
        }
    }
    for (int s = 0; s < SUMS; s++)
        __asm__ volatile("" : : "x"(sums[s]));
}

__attribute__((target("avx2"))) static void run_reader(const void *data, size_t size_bytes)
{
    const __m256i *at = data, *end = at + size_bytes / VECTOR_BYTES;
    __m256i folded[UNROLL];
    for (int i = 0; i < UNROLL; i++)
        folded[i] = _mm256_setzero_si256();
    for (; at < end; at += UNROLL)
#pragma GCC unroll 8
        for (int i = 0; i < UNROLL; i++)
            folded[i] = _mm256_or_si256(folded[i], _mm256_load_si256(at + i));
    for (int i = 0; i < UNROLL; i++)
        __asm__ volatile("" : : "x"(folded[i]));
}

const struct burst burst_avx2_f32 = {
    .name = "AVX2 vfmadd",
    .is_able = is_able,
    .round_operations = 2 * SUMS * F32_LANES,
    .run = run_f32,
};

const struct burst burst_avx2_int8 = {
    .name = "AVX2 vpmaddubsw, vpmaddwd, vpaddd",
    .is_able = is_able,
    .round_operations = 2 * SUMS * INT8_LANES,
    .run = run_int8,
};

const struct burst_reader burst_avx2_reader = {
    .name = "AVX2 loads",
    .is_able = is_able,
    .run = run_reader,
};
#endif
