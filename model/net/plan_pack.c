#include "model/net/plan_pack.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/net/fold.h"

/* One step's folded weights; freed when they are packed. */
struct folded {
    float *weight, *bias, *projection, *projection_bias;
};

static void folded_fini(struct folded *folded)
{
    free(folded->weight);
    free(folded->bias);
    free(folded->projection);
    free(folded->projection_bias);
}

static enum status fold(const struct graph_layer *layer, float **ret_weight, float **ret_bias,
                        struct error *error)
{
    *ret_weight = alloc_array((size_t)layer->weight->count, sizeof(float), SIZE_MAX / 2);
    *ret_bias = alloc_array(layer->out_channels, sizeof(float), SIZE_MAX / 2);
    if (!*ret_weight || !*ret_bias)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the weights of layer %s",
                         layer->name);
    return fold_layer(layer, *ret_weight, *ret_bias, error);
}

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

static enum status fold_step(const struct graph *graph, const struct step *step,
                             struct folded *ret_folded, uint64_t *hash, struct error *error)
{
    const struct graph_layer *layer = &graph->layers[step->layer];
    enum status status = fold(layer, &ret_folded->weight, &ret_folded->bias, error);
    if (status != STATUS_OK)
        return status;
    *hash = hash_floats(*hash, ret_folded->weight, (size_t)layer->weight->count);
    if (step->projection) {
        const struct graph_layer *projection = &graph->layers[layer->residual];
        status = fold(projection, &ret_folded->projection, &ret_folded->projection_bias, error);
        if (status != STATUS_OK)
            return status;
        *hash = hash_floats(*hash, ret_folded->projection, (size_t)projection->weight->count);
        for (size_t o = 0; o < layer->out_channels; o++)
            ret_folded->bias[o] += ret_folded->projection_bias[o];
    }
    *hash = hash_floats(*hash, ret_folded->bias, layer->out_channels);
    return STATUS_OK;
}

static bool has_weights(const struct step *step)
{
    return step->packed_bytes > 0;
}

static enum status pack_step(const struct graph *graph, struct step *step, uint8_t *to,
                             uint64_t *hash, struct error *error)
{
    struct folded folded = {0};
    enum status status = fold_step(graph, step, &folded, hash, error);
    if (status == STATUS_OK) {
        const struct step_weights weights = {folded.weight, folded.bias, folded.projection};
        step->kernel->pack(step, &weights, to);
        step->packed = to;
    }
    folded_fini(&folded);
    return status;
}

static size_t align(size_t bytes)
{
    return (bytes + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}

enum status plan_pack(const struct graph *graph, bool lock_memory, struct plan *plan,
                      struct error *error)
{
    size_t total = align(sizeof(struct plan_packed_header));
    for (size_t i = 0; i < plan->step_count; i++)
        if (!checked_add(total, align(plan->steps[i].packed_bytes), &total))
            return error_set(error, STATUS_BAD_MODEL, "the network is too large for this machine");
    enum status status = region_init(total, lock_memory, &plan->packed, error);
    uint8_t *to = plan->packed.data;
    uint64_t hash = 0xcbf29ce484222325u;
    size_t offset = align(sizeof(struct plan_packed_header));
    for (size_t i = 0; i < plan->step_count && status == STATUS_OK; i++) {
        struct step *step = &plan->steps[i];
        if (has_weights(step))
            status = pack_step(graph, step, to + offset, &hash, error);
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
