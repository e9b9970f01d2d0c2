/* What this machine can do at most on so many threads, measured in a fraction of a second. */
#ifndef CLASSIFYD_SERVER_COMMANDS_BENCH_PEAKS_H
#define CLASSIFYD_SERVER_COMMANDS_BENCH_PEAKS_H

#include "model/base/status.h"
#include "model/kernels/burst.h"

enum { BENCH_PEAKS_MOST_LEVELS = 4 };

/* A cache, or the memory behind all of them. */
struct bench_peaks_level {
    const char *name;  /* "L1", "L2", "L3", "memory" */
    size_t size_bytes; /* that the threads have of it together; SIZE_MAX for memory */
    double bytes_per_second;
};

struct bench_peaks {
    unsigned threads;
    double operations_per_second[BURST_ARITHMETIC_COUNT]; /* 0: no instruction for it */
    size_t level_count;
    struct bench_peaks_level levels[BENCH_PEAKS_MOST_LEVELS]; /* smallest first, memory last */
};

/* With a CPU for each thread. Blocks for about half a second. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status bench_peaks_measure(unsigned threads, struct bench_peaks *ret_peaks,
                                           struct error *error);

/* What bounds arithmetic of that kind; float32's where there is no instruction for it. */
double bench_peaks_operations(const struct bench_peaks *peaks, enum burst_arithmetic arithmetic);

/* The smallest level that holds so many bytes. */
const struct bench_peaks_level *bench_peaks_level_of(const struct bench_peaks *peaks, size_t bytes);

#endif
