/* Runs a network: batch slots in, logits out.
 *
 * `struct engine` is a plan and its packed weights, immutable and shared. `struct engine_scratch`
 * is what one caller at a time needs to run it: activations and a team of threads. The answer of an
 * image depends on the image alone: not on its batch, its slot or the number of threads. */
#ifndef CLASSIFYD_MODEL_NET_ENGINE_H
#define CLASSIFYD_MODEL_NET_ENGINE_H

#include "model/base/numa.h"
#include "model/kernels/kernels.h"
#include "model/net/graph.h"
#include "model/net/plan.h"

struct engine_options {
    uint32_t input_px;     /* the square that a slot holds */
    float mean[3], std[3]; /* RGB, of values scaled to 0..1 */
    const char *kernels;   /* "auto" or a set's name (kernels_choose); NULL is "auto" */
    const char *precision; /* "float32", "bf16", "int8"; "auto" or NULL: what is fastest here
                              without a calibration */
    const struct quantization
        *quantization;        /* "int8" needs it; borrowed, must outlive the engine */
    bool lock_memory;         /* try to keep weights and activations in RAM */
    uint32_t images_per_pass; /* images that go through the network together; 0: what suits the
                                 caches */
    unsigned threads;         /* that fold and pack; 0 is 1 */
    struct packed_cache
        *cache; /* where packed weights may lie from an earlier start; is told whether they did.
                   NULL: nowhere. Used during engine_create alone */
    const struct numa_topology *numa; /* nodes that each get the weights; NULL or without nodes: one
                                         copy for all. Borrowed, must outlive the engine */
};

struct engine;
struct engine_scratch;

/* A slot is a struct step_slot (kernels.h): u8 RGB [h, w, 3] that the first step normalises, or f32
 * of the same shape, already normalised; dense, and this many bytes behind it may be read. */
enum { ENGINE_SLOT_SLACK_BYTES = 64 };

/* What a run writes; each may be NULL. */
struct engine_outputs {
    float *logits;      /* [k, classes] */
    float *pooled;      /* [k, features], after the global average pooling */
    float *feature_map; /* [k, h, w, features] NHWC dense, the last stage's output */
};

/* Called before each pass of a step, with its inputs, and after it, with its output; each may be
 * NULL. For checks, tests and profiles. Runs on the caller's thread while the team waits. The
 * inputs are still there after the step, but for a residual that the output is written over. */
struct engine_observer {
    void (*step_done)(void *user, const struct step_run *run, uint64_t elapsed_us);
    void *user;
    void (*step_start)(void *user, const struct step_run *run);
};

/* Folds BatchNorm (in double), lays out the plan, packs the weights. Copies what it needs: graph
 * and weights may go afterwards. Fails with STATUS_BAD_MODEL, STATUS_BAD_REQUEST (unknown kernel
 * set or precision), STATUS_UNSUPPORTED (a set that this CPU cannot run, int8 without a
 * quantization), STATUS_NO_MEMORY. Any thread. Returns owned. */
MUST_CHECK enum status engine_create(const struct graph *graph,
                                     const struct engine_options *options,
                                     struct engine **ret_engine, struct error *error);
void engine_destroy(struct engine *engine);

uint32_t engine_classes(const struct engine *engine);
uint32_t engine_features(const struct engine *engine);   /* channels of the pooled features */
uint32_t engine_feature_px(const struct engine *engine); /* side of the last feature map */
uint32_t engine_input_px(const struct engine *engine);
/* Whether options.lock_memory asked for page-locked memory. */
bool engine_is_locked(const struct engine *engine);
size_t engine_slot_bytes(const struct engine *engine, enum tensor_type type); /* slack included */
const struct kernel_set *engine_kernel_set(const struct engine *engine);
const char *engine_precision(const struct engine *engine); /* "float32", "bf16" or "int8" */
/* As given to engine_create; NULL where it runs without. */
const struct quantization *engine_quantization(const struct engine *engine);
const struct plan *engine_plan(const struct engine *engine); /* borrowed; what runs, step by step */

/* Where the weights lie; NULL: in one place. Borrowed. */
const struct numa_topology *engine_numa(const struct engine *engine);

/* Bytes of weights on all nodes, and how many of them are page-locked. */
void engine_memory(const struct engine *engine, size_t *ret_bytes, size_t *ret_locked_bytes);

/* Activations for up to `max_batch` images and a team of `threads` (>= 1, the caller is one of
 * them). Where engine_numa has nodes, a caller that is bound to one of them has its team and its
 * activations there; the team of another is spread over them all. Fails with STATUS_NO_MEMORY.
 * Returns owned; used by one thread at a time; the engine must outlive it. */
MUST_CHECK enum status engine_scratch_create(const struct engine *engine, size_t max_batch,
                                             unsigned threads, struct engine_scratch **ret_scratch,
                                             struct error *error);
void engine_scratch_destroy(struct engine_scratch *scratch);
void engine_scratch_observe(struct engine_scratch *scratch, struct engine_observer observer);
void engine_scratch_memory(const struct engine_scratch *scratch, size_t *ret_bytes,
                           size_t *ret_locked_bytes);

/* Runs `images` (1..max_batch) slots. Blocks until done; allocates nothing and cannot fail. */
void engine_run(const struct engine *engine, struct engine_scratch *scratch, size_t images,
                const struct step_slot *slots, const struct engine_outputs *outputs);

#endif
