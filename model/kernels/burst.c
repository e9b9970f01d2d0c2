#include "model/kernels/burst.h"

#include <assert.h>

#include "model/base/clock.h"
#include "model/kernels/burst/burst_avx2.h"
#include "model/kernels/burst/burst_avx512.h"
#include "model/kernels/burst/burst_generic.h"

enum {
    PIECE_US = 200, /* long beside the clock's microsecond, short beside a machine's slow spells */
    FIRST_ROUNDS = 1000,
    LEAST_READ_BYTES = 1 << 20,
};

/* Best first. */
#if defined(__x86_64__)
static const struct burst *const f32_bursts[] = {&burst_avx512_f32, &burst_avx2_f32,
                                                 &burst_generic_f32, NULL};
static const struct burst *const bf16_bursts[] = {&burst_avx512_bf16, NULL};
static const struct burst *const int8_bursts[] = {&burst_avx512_int8, &burst_avx2_int8,
                                                  &burst_generic_int8, NULL};
static const struct burst_reader *const readers[] = {&burst_avx512_reader, &burst_avx2_reader,
                                                     &burst_generic_reader, NULL};
#else
static const struct burst *const f32_bursts[] = {&burst_generic_f32, NULL};
static const struct burst *const bf16_bursts[] = {NULL};
static const struct burst *const int8_bursts[] = {&burst_generic_int8, NULL};
static const struct burst_reader *const readers[] = {&burst_generic_reader, NULL};
#endif

static const struct {
    const char *name;
    const struct burst *const *bursts;
} arithmetics[BURST_ARITHMETIC_COUNT] = {
    [BURST_F32] = {"float32", f32_bursts},
    [BURST_BF16] = {"bf16", bf16_bursts},
    [BURST_INT8] = {"int8", int8_bursts},
};

const struct burst *burst_find(enum burst_arithmetic arithmetic)
{
    struct cpu_features cpu = cpu_probe();
    const struct burst *const *burst = arithmetics[arithmetic].bursts;
    while (*burst && !(*burst)->is_able(&cpu))
        burst++;
    return *burst;
}

const struct burst_reader *burst_find_reader(void)
{
    struct cpu_features cpu = cpu_probe();
    const struct burst_reader *const *reader = readers;
    while (!(*reader)->is_able(&cpu)) {
        reader++;
        assert(*reader); /* plain C's comes last and is always able */
    }
    return *reader;
}

const char *burst_arithmetic_name(enum burst_arithmetic arithmetic)
{
    return arithmetics[arithmetic].name;
}

void burst_data_init(struct burst_data *ret_data)
{
    uint32_t state = 2463534242u; /* xorshift32 (Marsaglia 2003): the same every time */
    for (size_t i = 0; i < sizeof ret_data->int8; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        ret_data->int8[i] = (int8_t)(1 + state % 100);
        if (i < sizeof ret_data->f32 / sizeof *ret_data->f32)
            ret_data->f32[i] = 0.5f + (float)(state >> 8) / (float)(1 << 24);
        if (i < sizeof ret_data->bf16 / sizeof *ret_data->bf16) /* sign 0, exponent of 0.5 or 1 */
            ret_data->bf16[i] = (uint16_t)(0x3f00u | (state >> 16 & 0xffu));
    }
}

double burst_measure(const struct burst *burst, uint64_t duration_us)
{
    struct burst_data data;
    double best = 0;
    size_t rounds = FIRST_ROUNDS;
    burst_data_init(&data);
    uint64_t start_us = clock_now_us(), now_us = start_us;
    while (now_us - start_us < duration_us) {
        uint64_t before_us = now_us;
        burst->run(&data, rounds);
        now_us = clock_now_us();
        uint64_t piece_us = now_us - before_us;
        if (piece_us < PIECE_US) {
            rounds *= 2; /* too short to be told from the clock's own steps */
            continue;
        }
        double rate = (double)(rounds * burst->round_operations) * 1e6 / (double)piece_us;
        best = rate > best ? rate : best;
    }
    return best;
}

double burst_measure_reader(const struct burst_reader *reader, const void *data, size_t size_bytes,
                            uint64_t duration_us)
{
    double best = 0;
    size_t times = size_bytes < LEAST_READ_BYTES ? LEAST_READ_BYTES / size_bytes : 1;
    reader->run(data, size_bytes); /* brings it into the cache that it fits */
    uint64_t start_us = clock_now_us(), now_us = start_us;
    while (now_us - start_us < duration_us) {
        uint64_t before_us = now_us;
        for (size_t i = 0; i < times; i++)
            reader->run(data, size_bytes);
        now_us = clock_now_us();
        uint64_t piece_us = now_us - before_us;
        if (piece_us < PIECE_US) {
            times *= 2;
            continue;
        }
        double rate = (double)(times * size_bytes) * 1e6 / (double)piece_us;
        best = rate > best ? rate : best;
    }
    return best;
}
