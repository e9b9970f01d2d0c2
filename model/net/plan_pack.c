#include "model/net/plan_pack.h"

#include <string.h>

#include "model/base/alloc.h"
#include "model/net/fold.h"

/* FNV-1a over 64-bit words (Fowler, Noll, Vo), the tail padded with zeros: a fingerprint, not a
 * seal. */
static uint64_t hash_floats(uint64_t hash, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        uint64_t word = 0;
        memcpy(&word, values + i, (count - i < 2 ? 1 : 2) * sizeof *values);
        hash = (hash ^ word) * 0x100000001b3u;
    }
    return hash;
}

static uint64_t hash_step(uint64_t hash, const struct graph_layer *layer,
                          const struct graph_layer *projection, const struct fold_step *folded)
{
    hash = hash_floats(hash, folded->weight, (size_t)layer->weight->count);
    if (projection)
        hash = hash_floats(hash, folded->projection, (size_t)projection->weight->count);
    return hash_floats(hash, folded->bias, layer->out_channels);
}

static bool has_weights(const struct step *step)
{
    return step->packed_bytes > 0;
}

static enum status pack_step(const struct graph *graph, const struct quantization *quantization,
                             struct step *step, uint8_t *to, uint64_t *hash, struct error *error)
{
    const struct graph_layer *layer = &graph->layers[step->layer];
    struct fold_step folded;
    enum status status = fold_step_init(graph, step->layer, step->projection, &folded, error);
    if (status == STATUS_OK) {
        *hash = hash_step(*hash, layer, step->projection ? &graph->layers[layer->residual] : NULL,
                          &folded);
        const float *scale = quantization_apply(quantization, step->name, folded.bias);
        const struct step_weights weights = {folded.weight, folded.bias, folded.projection, scale};
        step->kernel->pack(step, &weights, to);
        step->packed = to;
    }
    fold_step_fini(&folded);
    return status;
}

static size_t align(size_t bytes)
{
    return (bytes + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}

enum status plan_pack(const struct graph *graph, const struct plan_options *options,
                      struct plan *plan, struct error *error)
{
    size_t total = align(sizeof(struct plan_packed_header));
    for (size_t i = 0; i < plan->step_count; i++)
        if (!checked_add(total, align(plan->steps[i].packed_bytes), &total))
            return error_set(error, STATUS_BAD_MODEL, "the network is too large for this machine");
    enum status status = region_init(total, options->lock_memory, &plan->packed, error);
    uint8_t *to = plan->packed.data;
    uint64_t hash = 0xcbf29ce484222325u;
    size_t offset = align(sizeof(struct plan_packed_header));
    for (size_t i = 0; i < plan->step_count && status == STATUS_OK; i++) {
        struct step *step = &plan->steps[i];
        if (has_weights(step))
            status = pack_step(graph, options->quantization, step, to + offset, &hash, error);
        offset += align(step->packed_bytes);
    }
    if (status != STATUS_OK)
        return status;
    struct plan_packed_header header = {.magic = {'C', 'L', 'F', 'D', 'P', 'A', 'C', 'K'},
                                        .layout_version = plan->set->version,
                                        .header_bytes = sizeof header,
                                        .weights_hash = hash,
                                        .size_bytes = total};
    strncpy(header.kernel_set, plan->set->name, sizeof header.kernel_set - 1);
    memcpy(to, &header, sizeof header);
    return STATUS_OK;
}
