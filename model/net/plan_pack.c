#include "model/net/plan_pack.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/net/fold.h"
#include "model/net/plan_key.h"
#include "model/net/team.h"

static bool has_weights(const struct step *step)
{
    return step->packed_bytes > 0;
}

static enum status pack_step(const struct graph *graph, const struct quantization *quantization,
                             const struct step *step, void *ret_packed, struct error *error)
{
    struct fold_step folded;
    enum status status = fold_step_init(graph, step->layer, step->projection, NULL, &folded, error);
    if (status == STATUS_OK) {
        const float *scale = quantization_apply(quantization, step->name, folded.bias);
        const struct step_weights weights = {folded.weight, folded.bias, folded.projection, scale};
        step->kernel->pack(step, &weights, ret_packed);
    }
    fold_step_fini(&folded);
    return status;
}

static size_t align(size_t bytes)
{
    return (bytes + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}

/* Steps are handed out in their order, so when one fails all before it are done or under way. */
struct packing {
    const struct graph *graph;
    const struct plan_options *options;
    struct plan *plan;
    atomic_size_t next_step;
    atomic_bool has_failed;
    struct packing_fault {
        enum status status;
        size_t step;
        struct error error;
    } * faults; /* [members]: each its own */
};

static void pack_some(void *user, struct team *team, unsigned member)
{
    struct packing *packing = user;
    struct packing_fault *fault = &packing->faults[member];
    (void)team;
    while (!atomic_load(&packing->has_failed)) {
        size_t index = atomic_fetch_add(&packing->next_step, 1);
        if (index >= packing->plan->step_count)
            return;
        const struct step *step = &packing->plan->steps[index];
        if (!has_weights(step))
            continue;
        fault->step = index;
        fault->status = pack_step(packing->graph, packing->options->quantization, step,
                                  (void *)(uintptr_t)step->packed, &fault->error);
        if (fault->status != STATUS_OK)
            atomic_store(&packing->has_failed, true);
        if (fault->status != STATUS_OK)
            return;
    }
}

/* The fault of the first step that has one, whoever found it. */
static enum status first_fault(const struct packing *packing, unsigned members, struct error *error)
{
    const struct packing_fault *first = NULL;
    for (unsigned i = 0; i < members; i++)
        if (packing->faults[i].status != STATUS_OK &&
            (!first || packing->faults[i].step < first->step))
            first = &packing->faults[i];
    return first ? error_set(error, first->status, "%s", first->error.text) : STATUS_OK;
}

static enum status pack_all(const struct graph *graph, const struct plan_options *options,
                            struct plan *plan, struct error *error)
{
    unsigned threads = options->threads > 0 ? options->threads : 1;
    struct packing packing = {.graph = graph, .options = options, .plan = plan};
    struct team *team = NULL;
    packing.faults = alloc_array(threads, sizeof *packing.faults, SIZE_MAX / 2);
    if (!packing.faults)
        return error_set(error, STATUS_NO_MEMORY, "no memory to pack with %u threads", threads);
    enum status status = team_create(threads, NULL, &team, error);
    if (status == STATUS_OK) {
        team_run(team, pack_some, &packing);
        status = first_fault(&packing, threads, error);
    }
    team_destroy(team);
    free(packing.faults);
    return status;
}

/* Tells each step where in the block its weights are. */
static void set_addresses(struct plan *plan)
{
    const uint8_t *at =
        (const uint8_t *)plan->packed.data + align(sizeof(struct packed_cache_header));
    for (size_t i = 0; i < plan->step_count; i++) {
        struct step *step = &plan->steps[i];
        step->packed = has_weights(step) ? at : NULL;
        at += align(step->packed_bytes);
    }
}

/* Whether no step of the same kernel has less to pack. */
static bool is_smallest(const struct plan *plan, size_t index)
{
    const struct step *step = &plan->steps[index];
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *other = &plan->steps[i];
        if (other->kernel == step->kernel &&
            (other->packed_bytes < step->packed_bytes ||
             (other->packed_bytes == step->packed_bytes && i < index)))
            return false;
    }
    return true;
}

/* Whether the step's weights, packed anew, are those in the block. */
static bool is_as_packed(const struct graph *graph, const struct quantization *quantization,
                         const struct step *step)
{
    struct region packed;
    if (region_init(step->packed_bytes, false, &packed, NULL) != STATUS_OK)
        return false;
    bool is_same = pack_step(graph, quantization, step, packed.data, NULL) == STATUS_OK &&
                   memcmp(packed.data, step->packed, step->packed_bytes) == 0;
    region_fini(&packed);
    return is_same;
}

/* Maps what an earlier start packed. A kernel may pack otherwise than when the file was written,
 * in a program that was built anew: so a step of each is tried. */
static bool open_cached(const struct graph *graph, const struct plan_options *options,
                        const struct packed_cache_header *header, struct plan *plan)
{
    if (!options->cache ||
        !packed_cache_open(options->cache, header, options->lock_memory, &plan->packed))
        return false;
    set_addresses(plan);
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        if (!has_weights(step) || !is_smallest(plan, i) ||
            is_as_packed(graph, options->quantization, step))
            continue;
        packed_cache_reject(options->cache, &plan->packed, "was packed in another way");
        return false;
    }
    return true;
}

static struct packed_cache_header make_header(const struct plan *plan,
                                              const struct plan_options *options, size_t size_bytes)
{
    struct packed_cache_header header = {.magic = {'C', 'L', 'F', 'D', 'P', 'A', 'C', 'K'},
                                         .layout_version = plan->set->version,
                                         .header_bytes = sizeof header,
                                         .key = plan_key(plan, options),
                                         .size_bytes = size_bytes};
    strncpy(header.kernel_set, plan->set->name, sizeof header.kernel_set - 1);
    if (options->precision)
        strncpy(header.precision, options->precision, sizeof header.precision - 1);
    return header;
}

enum status plan_pack(const struct graph *graph, const struct plan_options *options,
                      struct plan *plan, struct error *error)
{
    size_t total = align(sizeof(struct packed_cache_header));
    for (size_t i = 0; i < plan->step_count; i++)
        if (!checked_add(total, align(plan->steps[i].packed_bytes), &total))
            return error_set(error, STATUS_BAD_MODEL, "the network is too large for this machine");
    const struct packed_cache_header header = make_header(plan, options, total);
    if (open_cached(graph, options, &header, plan))
        return STATUS_OK;
    enum status status = region_init(total, options->lock_memory, &plan->packed, error);
    if (status != STATUS_OK)
        return status;
    memcpy(plan->packed.data, &header, sizeof header);
    set_addresses(plan);
    return pack_all(graph, options, plan, error);
}
