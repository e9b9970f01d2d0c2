/* What the kernel says of this process, for the metrics that every Prometheus client exposes. */
#ifndef CLASSIFYD_SERVER_METRICS_PROCESS_H
#define CLASSIFYD_SERVER_METRICS_PROCESS_H

#include <stdint.h>

/* -1: not to be had, as without /proc. */
struct metrics_process {
    int64_t resident_bytes;
    int64_t virtual_bytes;
    int64_t cpu_us; /* user and system, every thread */
    int64_t open_fds, max_fds;
    int64_t start_time_us; /* since 1970 */
    int64_t threads;
};

/* Any thread; reads /proc. */
void metrics_process_read(struct metrics_process *ret_process);

#endif
