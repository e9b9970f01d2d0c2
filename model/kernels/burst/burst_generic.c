#include "model/kernels/burst/burst_generic.h"

#include <string.h>

enum { LANES = 32, BLOCK = 128 };

static bool is_able(const struct cpu_features *cpu)
{
    (void)cpu;
    return true;
}

/* Whoever reads `values` may be anywhere: what was computed must be there. */
static void keep(const void *values)
{
    __asm__ volatile("" : : "r"(values) : "memory");
}

static void run_f32(const struct burst_data *data, size_t rounds)
{
    float sums[LANES] = {0};
    for (size_t i = 0; i < rounds; i++) {
        float factor = data->f32[i % LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += data->f32[lane] * factor;
    }
    keep(sums);
}

static void run_int8(const struct burst_data *data, size_t rounds)
{
    int32_t sums[LANES] = {0};
    for (size_t i = 0; i < rounds; i++) {
        int8_t factor = data->int8[i % LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] = (sums[lane] + data->int8[lane] * factor) & 0xffffff;
    }
    keep(sums);
}

static void run_reader(const void *data, size_t size_bytes)
{
    uint64_t folded[BLOCK / sizeof(uint64_t)] = {0}, block[BLOCK / sizeof(uint64_t)];
    for (size_t at = 0; at + BLOCK <= size_bytes; at += BLOCK) {
        memcpy(block, (const uint8_t *)data + at, BLOCK);
        for (size_t i = 0; i < BLOCK / sizeof(uint64_t); i++)
            folded[i] ^= block[i];
    }
    keep(folded);
}

const struct burst burst_generic_f32 = {
    .name = "plain C",
    .is_able = is_able,
    .round_operations = 2 * LANES,
    .run = run_f32,
};

const struct burst burst_generic_int8 = {
    .name = "plain C",
    .is_able = is_able,
    .round_operations = 2 * LANES,
    .run = run_int8,
};

const struct burst_reader burst_generic_reader = {
    .name = "plain C",
    .is_able = is_able,
    .run = run_reader,
};
