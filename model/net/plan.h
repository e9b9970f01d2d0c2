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
#include "model/net/quantization.h"

enum { PLAN_MAX_BUFFERS = 48, PLAN_ALIGNMENT = 64 };

/* Steps that a group of images goes through together before the next group does. Either children,
 * or the steps [first_step, first_step + step_count). */
struct plan_segment {
    size_t first_step, step_count;
    const struct plan_segment *children;
    size_t child_count;
    uint32_t images_per_pass; /* 0: all that the parent hands down */
    uint32_t
        rows_per_stripe; /* of output a pass; 0: whole images, the one that today's engine runs */
};

/* Stands before the packed weights, which hold offsets but no pointers: the block may be written to
 * a file and mapped at another address. */
struct plan_packed_header {
    char magic[8];           /* "CLFDPACK" */
    char kernel_set[16];     /* whose layouts */
    uint32_t layout_version; /* struct kernel_set's */
    uint32_t header_bytes;
    uint64_t weights_hash; /* FNV-1a, 64 bit, of the folded weights in the order of the steps */
    uint64_t size_bytes;   /* header included */
};

struct plan {
    const struct kernel_set *set;
    struct tensor *tensors;
    size_t tensor_count;
    struct step *steps;
    size_t step_count;
    struct plan_segment root;
    size_t buffer_count;
    size_t buffer_image_bytes[PLAN_MAX_BUFFERS]; /* an image, a multiple of PLAN_ALIGNMENT; zeroed
                                                    before the first run */
    size_t scratch_bytes;                        /* a thread: the largest that a step wants */
    struct region packed; /* plan_packed_header, then each step's packed weights */
    const struct tensor *feature_map, *pooled, *logits;
};

struct plan_options {
    uint32_t input_px;
    enum step_arithmetic arithmetic;         /* of the convolutions; pooling and head are float32 */
    const struct quantization *quantization; /* for STEP_INT8, else NULL */
    float mean[3], std[3];
    bool lock_memory;
    uint32_t images_per_pass;
};

/* Fails with STATUS_BAD_MODEL (weights that are not finite numbers, an input too small for the
 * network, a quantization of another network), STATUS_NO_MEMORY. Copies what it needs of the graph.
 * `ret_plan` is filled and owned by the caller. */
MUST_CHECK enum status plan_init(const struct graph *graph, const struct kernel_set *set,
                                 const struct plan_options *options, struct plan *ret_plan,
                                 struct error *error);

/* Accepts a zeroed plan. */
void plan_fini(struct plan *plan);

const struct plan_packed_header *plan_header(const struct plan *plan);

#endif
