/* How many CPUs this process may really use: the affinity mask and the quotas of its control
 * groups, not what the host has. More threads than that only take turns, and get stopped by the
 * quota in the middle of a step. */
#ifndef CLASSIFYD_SERVER_CONFIG_CPU_COUNT_H
#define CLASSIFYD_SERVER_CONFIG_CPU_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* At least 1. A quota of 2.5 CPUs counts as 2. Any thread; reads /proc and /sys. */
unsigned cpu_count_usable(void);

/* The smallest quota, in thousandths of a CPU, of this process's control group and its ancestors,
 * as far as they are mounted: cpu.max (version 2) and cpu.cfs_quota_us (version 1). `root` stands
 * before every path that is read ("" for this machine's own; a fixture's folder in tests). False
 * where none is set. */
bool cpu_count_quota(const char *root, uint64_t *ret_thousandths);

#endif
