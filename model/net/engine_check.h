/* Whether an engine computes what its network says, on this machine, now: to be asked before a
 * model is called ready. It finds packed weights that were damaged, kernels that are wrong for this
 * CPU, and answers that depend on an image's company; not networks that were badly trained. */
#ifndef CLASSIFYD_MODEL_NET_ENGINE_CHECK_H
#define CLASSIFYD_MODEL_NET_ENGINE_CHECK_H

#include "model/net/engine.h"
#include "model/net/engine_golden.h"

enum { ENGINE_CHECK_OUTPUTS = 64 };

/* How far an output may be from the recomputed one, as a share of the sum of its terms' absolute
 * values. A sum of K float32 terms is off by some 2^-24 * sqrt(K) of that in any order of adding
 * (4e-6 for K = 4608), so wrong arithmetic is far outside and rounding inside. */
#define ENGINE_CHECK_TOLERANCE 1e-5

struct engine_check_report {
    size_t outputs;       /* that were recomputed */
    double worst_output;  /* the largest deviation, as a share of the tolerance: 0..1 */
    char worst_layer[64]; /* where */
    size_t golden_logits; /* that were compared; 0: the model has none */
    double worst_golden;  /* the largest deviation of a logit */
    uint64_t elapsed_us;
};

/* Runs a batch of `max_batch` noise images with the whole team of `scratch` and compares
 * - ENGINE_CHECK_OUTPUTS random outputs of every step, the first and the last among them, with the
 *   same recomputed from the step's inputs and the graph's weights (recompute.h), the network's own
 *   bits, folded anew;
 * - the logits of the batch's last image with those of the same image alone, bit for bit;
 * - where `golden` is not NULL, logits of its image with the given ones.
 * `graph` is what the engine was made from; `scratch` holds `max_batch` images, its observer is
 * taken off. Blocks for two or three runs. Any thread. Fails with STATUS_INTERNAL (the engine
 * computes wrongly; the layer, its kernel and both values are named), STATUS_BAD_MODEL (golden
 * values of another network, values that overflow), STATUS_NO_MEMORY. */
MUST_CHECK enum status engine_check(const struct engine *engine, const struct graph *graph,
                                    struct engine_scratch *scratch, size_t max_batch,
                                    const struct engine_golden *golden,
                                    struct engine_check_report *ret_report, struct error *error);

#endif
