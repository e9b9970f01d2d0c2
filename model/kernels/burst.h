/* Short loops at the limit of this CPU, to measure kernels against: the most multiplications and
 * additions a core can do of one kind, and the most bytes it can read.
 *
 * What a thread reaches is measured, never taken from a data sheet: clocks, the width of the vector
 * units and neighbours on the same machine all differ. */
#ifndef CLASSIFYD_MODEL_KERNELS_BURST_H
#define CLASSIFYD_MODEL_KERNELS_BURST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kernels/cpu.h"

enum burst_arithmetic { BURST_F32, BURST_BF16, BURST_INT8, BURST_ARITHMETIC_COUNT };

/* Operands: finite, all different, none zero, for the clock of some CPUs falls with the data. */
struct burst_data {
    _Alignas(64) float f32[32];     /* 0.5 .. 1.5 */
    _Alignas(64) uint16_t bf16[64]; /* the same range */
    _Alignas(64) int8_t int8[128];
};

/* One loop of arithmetic on independent accumulators in registers. */
struct burst {
    const char *name; /* of the instruction, or of what stands in for it */
    bool (*is_able)(const struct cpu_features *cpu);
    uint64_t round_operations; /* a multiplication and an addition are two */
    void (*run)(const struct burst_data *data, size_t rounds);
};

/* One loop that reads `size_bytes` (a multiple of 1024) from aligned memory. */
struct burst_reader {
    const char *name;
    bool (*is_able)(const struct cpu_features *cpu);
    void (*run)(const void *data, size_t size_bytes);
};

/* The fastest of its kind that this CPU runs. For BF16 NULL where there is no instruction for it;
 * the others are never NULL. Any thread, never block; so the next. */
const struct burst *burst_find(enum burst_arithmetic arithmetic);
const struct burst_reader *burst_find_reader(void);

/* "float32", "bf16", "int8". */
const char *burst_arithmetic_name(enum burst_arithmetic arithmetic);

void burst_data_init(struct burst_data *ret_data);

/* Operations a second of the calling thread: the best of the short pieces that fit `duration_us`.
 * Any thread; blocks that long. */
double burst_measure(const struct burst *burst, uint64_t duration_us);

/* Bytes a second, likewise, read again and again from `data` (64-byte aligned). */
double burst_measure_reader(const struct burst_reader *reader, const void *data, size_t size_bytes,
                            uint64_t duration_us);

#endif
