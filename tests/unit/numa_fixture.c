#include "tests/unit/numa_fixture.h"

#include <string.h>

static struct numa_node nodes[2];

static size_t take_cpus(void)
{
    struct numa_cpus own;
    size_t taken = 0;
    numa_affinity(&own);
    for (size_t cpu = 0; cpu < NUMA_MAX_CPUS && taken < 2; cpu++) {
        if (!CPU_ISSET_S(cpu, sizeof own, own.sets))
            continue;
        nodes[taken].number = (unsigned)taken;
        nodes[taken].cpu_count = 1;
        CPU_SET_S(cpu, sizeof own, nodes[taken].cpus.sets);
        taken++;
    }
    return taken;
}

/* The first to ask is a test, on whatever CPUs the process has; threads that ask later are bound.
 */
const struct numa_topology *numa_fixture_topology(void)
{
    static const struct numa_topology topology = {2, nodes};
    static size_t taken;
    if (taken == 0)
        taken = take_cpus();
    return taken == 2 ? &topology : NULL;
}

bool numa_fixture_is_on(size_t node)
{
    struct numa_cpus own;
    numa_affinity(&own);
    return memcmp(&own, &nodes[node].cpus, sizeof own) == 0;
}
