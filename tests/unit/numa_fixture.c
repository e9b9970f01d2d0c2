#include "tests/unit/numa_fixture.h"

#include <string.h>

const struct numa_topology *numa_fixture_topology(void)
{
    static struct numa_node nodes[2];
    static const struct numa_topology topology = {2, nodes};
    struct numa_cpus own;
    size_t found = 0;
    memset(nodes, 0, sizeof nodes);
    numa_affinity(&own);
    for (size_t cpu = 0; cpu < NUMA_MAX_CPUS && found < 2; cpu++) {
        if (!CPU_ISSET_S(cpu, sizeof own, own.sets))
            continue;
        nodes[found].number = (unsigned)found;
        nodes[found].cpu_count = 1;
        CPU_SET_S(cpu, sizeof own, nodes[found].cpus.sets);
        found++;
    }
    return found == 2 ? &topology : NULL;
}

bool numa_fixture_is_on(size_t node)
{
    struct numa_cpus own;
    numa_affinity(&own);
    return memcmp(&own, &numa_fixture_topology()->nodes[node].cpus, sizeof own) == 0;
}
