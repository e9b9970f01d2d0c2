#include "model/kernels/burst/burst_avx512.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Two units with a latency of up to six cycles want twelve sums under way. */
enum { SUMS = 12, F32_LANES = 16, BF16_LANES = 32, INT8_LANES = 64, VECTOR_BYTES = 64, UNROLL = 8 };

static bool is_able(const struct cpu_features *cpu)
{
    return cpu->has_avx512;
}

static bool is_able_bf16(const struct cpu_features *cpu)
{
    return cpu->has_avx512_bf16;
}

static bool is_able_int8(const struct cpu_features *cpu)
{
    return cpu->has_avx512_vnni;
}

__attribute__((target("avx512f"))) static void run_f32(const struct burst_data *data, size_t rounds)
{
    __m512 sums[SUMS], a = _mm512_load_ps(data->f32), b = _mm512_load_ps(data->f32 + F32_LANES);
    for (int s = 0; s < SUMS; s++)
        sums[s] = _mm512_setzero_ps();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int s = 0; s < SUMS; s++)
            sums[s] = _mm512_fmadd_ps(a, b, sums[s]);
        __asm__ volatile("" : "+v"(a), "+v"(b)); /* the product is not to be computed once */
    }
    for (int s = 0; s < SUMS; s++)
        __asm__ volatile("" : : "v"(sums[s]));
}

__attribute__((target("avx512f,avx512bf16"))) static void run_bf16(const struct burst_data *data,
                                                                   size_t rounds)
{
    __m512 sums[SUMS];
    __m512i a = _mm512_load_si512(data->bf16), b = _mm512_load_si512(data->bf16 + BF16_LANES);
    for (int s = 0; s < SUMS; s++)
        sums[s] = _mm512_setzero_ps();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int s = 0; s < SUMS; s++)
            sums[s] = _mm512_dpbf16_ps(sums[s], (__m512bh)a, (__m512bh)b);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    for (int s = 0; s < SUMS; s++)
        __asm__ volatile("" : : "v"(sums[s]));
}

__attribute__((target("avx512f,avx512vnni"))) static void run_int8(const struct burst_data *data,
                                                                   size_t rounds)
{
    __m512i sums[SUMS];
    __m512i a = _mm512_load_si512(data->int8), b = _mm512_load_si512(data->int8 + INT8_LANES);
    for (int s = 0; s < SUMS; s++)
        sums[s] = _mm512_setzero_si512();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int s = 0; s < SUMS; s++)
            sums[s] = _mm512_dpbusd_epi32(sums[s], a, b);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    for (int s = 0; s < SUMS; s++)
        __asm__ volatile("" : : "v"(sums[s]));
}

__attribute__((target("avx512f"))) static void run_reader(const void *data, size_t size_bytes)
{
    const __m512i *at = data, *end = at + size_bytes / VECTOR_BYTES;
    __m512i folded[UNROLL];
    for (int i = 0; i < UNROLL; i++)
        folded[i] = _mm512_setzero_si512();
    for (; at < end; at += UNROLL)
#pragma GCC unroll 8
        for (int i = 0; i < UNROLL; i++)
            folded[i] = _mm512_or_si512(folded[i], _mm512_load_si512(at + i));
    for (int i = 0; i < UNROLL; i++)
        __asm__ volatile("" : : "v"(folded[i]));
}

const struct burst burst_avx512_f32 = {
    .name = "AVX-512 vfmadd",
    .is_able = is_able,
    .round_operations = 2 * SUMS * F32_LANES,
    .run = run_f32,
};

const struct burst burst_avx512_bf16 = {
    .name = "AVX-512 vdpbf16ps",
    .is_able = is_able_bf16,
    .round_operations = 2 * SUMS * BF16_LANES,
    .run = run_bf16,
};

const struct burst burst_avx512_int8 = {
    .name = "AVX-512 vpdpbusd",
    .is_able = is_able_int8,
    .round_operations = 2 * SUMS * INT8_LANES,
    .run = run_int8,
};

const struct burst_reader burst_avx512_reader = {
    .name = "AVX-512 loads",
    .is_able = is_able,
    .run = run_reader,
};
#endif
