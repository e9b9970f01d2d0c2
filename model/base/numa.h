/* The NUMA nodes that this process computes on, and threads that stay on one of them.
 *
 * A page lies on the node of the CPU that touches it first, so memory is placed by binding the
 * thread that touches it; nothing else is asked of the system. Binding is a wish, not a demand: a
 * thread that may not be bound runs where it is, correctly, and only slower. */
#ifndef CLASSIFYD_MODEL_BASE_NUMA_H
#define CLASSIFYD_MODEL_BASE_NUMA_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/base/status.h"

enum { NUMA_MAX_CPUS = 8192 };

/* A set of CPUs, for the macros CPU_*_S with its size; glibc's own ends at 1024. */
struct numa_cpus {
    cpu_set_t sets[NUMA_MAX_CPUS / CPU_SETSIZE];
};

struct numa_node {
    unsigned number;       /* the system's; there may be gaps */
    unsigned cpu_count;    /* >= 1 */
    struct numa_cpus cpus; /* of those that the process may use */
};

struct numa_topology {
    size_t node_count;       /* 0: NUMA plays no part; else >= 2 */
    struct numa_node *nodes; /* [node_count], owned; no CPU is on two */
};

/* Reads the nodes that have CPUs of `allowed` (NULL: of the calling thread's affinity mask) from
 * /sys. NUMA plays no part where there is one such node, where one has no memory that the process
 * may use (its threads' pages would lie elsewhere), and where what is found does not add up: a
 * file that cannot be read, an allowed CPU on no node. `root` stands before every path that is
 * read ("" for this machine's own; a fixture's folder in tests). Fails with STATUS_NO_MEMORY. Any
 * thread. `ret_topology` is filled and owned by the caller. */
MUST_CHECK enum status numa_topology_init(const char *root, const struct numa_cpus *allowed,
                                          struct numa_topology *ret_topology, struct error *error);

/* Accepts a zeroed topology. */
void numa_topology_fini(struct numa_topology *topology);

/* The index of the node with that CPU; 0 where none has it. Pure. */
size_t numa_topology_find(const struct numa_topology *topology, int cpu);

/* Whether all of `cpus`, which are not none, are on one node. Pure. */
bool numa_topology_is_on_one(const struct numa_topology *topology, const struct numa_cpus *cpus);

/* On which node thread `index` of `count` runs when these share out the CPUs of all nodes: as many
 * on each as it has CPUs, or in proportion, neighbours together. Pure. */
size_t numa_topology_share(const struct numa_topology *topology, unsigned index, unsigned count);

/* The calling thread's affinity mask; empty where it cannot be had. */
void numa_affinity(struct numa_cpus *ret_cpus);

/* Lets the calling thread, and those that it starts from now on, run on these CPUs alone. It is on
 * one of them when this returns. An empty set changes nothing. */
void numa_bind(const struct numa_cpus *cpus);

#endif
