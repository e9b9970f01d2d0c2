#include "model/net/plan_replicas.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

/* Lets the steps' weights lie at the same places of another block. */
static void move_weights(struct step *steps, size_t count, const void *from, const void *to)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].packed)
            steps[i].packed =
                (const uint8_t *)to + ((const uint8_t *)steps[i].packed - (const uint8_t *)from);
}

/* On the node's own CPUs. */
static enum status copy_block(const struct region *block, bool lock_memory, struct region *ret_copy,
                              struct error *error)
{
    enum status status = region_init(block->size_bytes, lock_memory, ret_copy, error);
    if (status == STATUS_OK)
        memcpy(ret_copy->data, block->data, block->size_bytes);
    return status;
}

static enum status copy_steps(const struct plan *plan, struct plan_replica *replica,
                              struct error *error)
{
    replica->steps = alloc_array(plan->step_count, sizeof *replica->steps, SIZE_MAX / 2);
    if (!replica->steps)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the steps of a NUMA node");
    memcpy(replica->steps, plan->steps, plan->step_count * sizeof *replica->steps);
    move_weights(replica->steps, plan->step_count, plan->packed.data, replica->packed.data);
    return STATUS_OK;
}

static void take_first(struct plan *plan, struct plan_replica *first)
{
    move_weights(plan->steps, plan->step_count, plan->packed.data, first->packed.data);
    region_fini(&plan->packed);
    plan->packed = first->packed;
    first->packed = (struct region){0};
}

enum status plan_replicas_init(struct plan *plan, const struct numa_topology *topology,
                               bool lock_memory, struct plan_replicas *ret_replicas,
                               struct error *error)
{
    struct plan_replicas replicas = {.steps = plan->steps};
    size_t nodes = topology ? topology->node_count : 0;
    enum status status = STATUS_OK;
    if (nodes > 0) {
        struct numa_cpus before;
        replicas.topology = topology;
        replicas.replicas = alloc_array(nodes, sizeof *replicas.replicas, SIZE_MAX / 2);
        if (!replicas.replicas)
            return error_set(error, STATUS_NO_MEMORY, "no memory for %zu NUMA nodes", nodes);
        numa_affinity(&before);
        for (size_t i = 0; i < nodes && status == STATUS_OK; i++) {
            struct plan_replica *replica = &replicas.replicas[i];
            numa_bind(&topology->nodes[i].cpus);
            status = copy_block(&plan->packed, lock_memory, &replica->packed, error);
            if (status == STATUS_OK && i > 0)
                status = copy_steps(plan, replica, error);
        }
        numa_bind(&before);
    }
    if (status != STATUS_OK) {
        plan_replicas_fini(&replicas);
        return status;
    }
    if (nodes > 0)
        take_first(plan, &replicas.replicas[0]);
    *ret_replicas = replicas;
    return STATUS_OK;
}

void plan_replicas_fini(struct plan_replicas *replicas)
{
    for (size_t i = 0; replicas->topology && i < replicas->topology->node_count; i++) {
        region_fini(&replicas->replicas[i].packed);
        free(replicas->replicas[i].steps);
    }
    free(replicas->replicas);
    *replicas = (struct plan_replicas){0};
}

const struct step *plan_replicas_steps(const struct plan_replicas *replicas)
{
    size_t node = replicas->topology ? numa_topology_find(replicas->topology, sched_getcpu()) : 0;
    return node > 0 ? replicas->replicas[node].steps : replicas->steps;
}

void plan_replicas_memory(const struct plan_replicas *replicas, size_t *ret_bytes,
                          size_t *ret_locked_bytes)
{
    *ret_bytes = *ret_locked_bytes = 0;
    for (size_t i = 0; replicas->topology && i < replicas->topology->node_count; i++) {
        *ret_bytes += replicas->replicas[i].packed.size_bytes;
        *ret_locked_bytes += replicas->replicas[i].packed.locked_bytes;
    }
}
