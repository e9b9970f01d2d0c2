/* What the engine executes: steps over tensors in buffers, laid out once and immutable after.
 *
 * From a graph: BatchNorm folded, a block's projection made part of its last convolution, additions
 * done in place where the residual is not needed again, a kernel chosen for each step, weights
 * packed, and the tensors placed in as few buffers as their lifetimes allow. */
#ifndef CLASSIFYD_MODEL_NET_PLAN_H
#define CLASSIFYD_MODEL_NET_PLAN_H

#include "model/base/region.h"
#include "model/kernels/kernels.h"
#include "model/net/graph.h"
#include "model/net/packed_cache.h"
#include "model/net/quantization.h"

enum { PLAN_MAX_LEVELS = 8, PLAN_ALIGNMENT = 64 };

#define PLAN_WHOLE_BATCH SIZE_MAX

/* Steps that a few images go through together before the next few do: so few that what one step
 * hands to the next is still in the caches. Levels are nested, since images get smaller: level 0's
 * images run all of its steps, then the next images, until there are enough for the steps of level
 * 1, and so on. */
struct plan_level {
    size_t first_step, step_count;
    uint32_t images; /* a pass; more where a large team shares them */
};

/* Activations. A tensor is only kept for the images of a pass of the level that reads it last, in
 * the same place for every pass; what is kept for the whole batch has PLAN_WHOLE_BATCH. */
struct plan_buffer {
    size_t image_bytes; /* a multiple of PLAN_ALIGNMENT; zeroed before the first run */
    size_t level;
};

struct plan {
    const struct kernel_set *set;
    struct tensor *tensors;
    size_t tensor_count;
    struct step *steps;
    size_t step_count;
    struct plan_level levels[PLAN_MAX_LEVELS]; /* innermost first */
    size_t level_count;
    struct plan_buffer *buffers; /* [buffer_count] */
    size_t buffer_count;
    size_t scratch_bytes; /* a thread: the largest that a step wants */
    struct region packed; /* packed_cache_header, then each step's packed weights */
    const struct tensor *feature_map, *pooled, *logits;
};

struct plan_options {
    uint32_t input_px;
    enum step_arithmetic arithmetic;         /* of the convolutions; pooling and head are float32 */
    const struct quantization *quantization; /* for STEP_INT8, else NULL */
    float mean[3], std[3];
    bool lock_memory;
    uint32_t images_per_pass;   /* through the whole network; 0: what suits the caches */
    unsigned threads;           /* that fold and pack; 0 is 1 */
    const char *precision;      /* what the packed block says; NULL is "" */
    struct packed_cache *cache; /* where packed weights may lie; told what came of it; or NULL */
};

/* Fails with STATUS_BAD_MODEL (weights that are not finite numbers, an input too small for the
 * network, a quantization of another network), STATUS_NO_MEMORY. Copies what it needs of the graph.
 * `ret_plan` is filled and owned by the caller. */
MUST_CHECK enum status plan_init(const struct graph *graph, const struct kernel_set *set,
                                 const struct plan_options *options, struct plan *ret_plan,
                                 struct error *error);

/* Accepts a zeroed plan. */
void plan_fini(struct plan *plan);

const struct packed_cache_header *plan_header(const struct plan *plan);

#endif
