/* A plan's packed weights once on each NUMA node, so that no thread reads them from another's
 * memory. */
#ifndef CLASSIFYD_MODEL_NET_PLAN_REPLICAS_H
#define CLASSIFYD_MODEL_NET_PLAN_REPLICAS_H

#include "model/base/numa.h"
#include "model/net/plan.h"

struct plan_replica {
    struct region packed;
    struct step *steps; /* [step_count] the plan's, with these weights */
};

struct plan_replicas {
    const struct numa_topology *topology; /* NULL: there are none, all read the plan's own */
    const struct step *steps;             /* the plan's own, which are node 0's */
    struct plan_replica *replicas;        /* [node_count], the first empty */
};

/* Copies the weights to every node, by a thread that is bound there, since a page lies with who
 * touches it first. The copy on node 0 takes the place of the plan's own, which lies wherever its
 * thread was, or in the page cache. `topology` (NULL or without nodes: nothing is copied) is
 * borrowed and must outlive the replicas, as the plan. Fails with STATUS_NO_MEMORY; the plan is
 * whole either way. The calling thread's affinity is as before. */
MUST_CHECK enum status plan_replicas_init(struct plan *plan, const struct numa_topology *topology,
                                          bool lock_memory, struct plan_replicas *ret_replicas,
                                          struct error *error);

/* Accepts a zeroed struct. */
void plan_replicas_fini(struct plan_replicas *replicas);

/* The steps whose weights lie where the calling thread is just now. Any thread. */
const struct step *plan_replicas_steps(const struct plan_replicas *replicas);

/* Bytes of the copies beside the plan's own, and how many of them are page-locked. */
void plan_replicas_memory(const struct plan_replicas *replicas, size_t *ret_bytes,
                          size_t *ret_locked_bytes);

#endif
