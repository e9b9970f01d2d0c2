/* Loads the registry's models, one after another, in a thread of its own: so the service listens
 * and says that it is alive before its models are there. */
#ifndef CLASSIFYD_SERVER_MODELS_LOADER_H
#define CLASSIFYD_SERVER_MODELS_LOADER_H

#include "server/log.h"
#include "server/metrics.h"
#include "server/models/registry.h"

struct loader;

/* Everything borrowed must outlive the loader. */
struct loader_options {
    struct registry *registry;
    const struct model_library *library;
    struct model_options model; /* kernels and lock_memory; the recipe brings the rest */
    bool self_check;            /* engine_check each before it is ready */
    size_t check_batch;         /* >= 1: the largest batch that is run; see loader.c */
    unsigned check_threads;     /* >= 1: and the threads, all engine threads */
    struct log *log;            /* NULL: nothing is logged */
    struct metrics *metrics;    /* METRICS_PINNED_BYTES grows by locked weights; may be NULL */
    /* Makes a loaded model ready to be run; pipeline_open_lane. On the loader's thread. */
    enum status (*open_lane)(void *user, struct registry_entry *entry, struct error *error);
    /* Called once, when each model is ready or has failed; not where the loader was stopped before.
     * On the loader's thread; may be NULL. */
    void (*all_ended)(void *user);
    /* Called once after that, when packed weights are kept for the next start and the thread has
     * nothing left to do; likewise. */
    void (*all_stored)(void *user);
    void *user;
};

/* Starts the thread. Each entry of the registry becomes ready or failed, in order, with a line in
 * the log: "model_ready" with its kernels, times and memory, "model_failed" with the reason; then,
 * where a model's packed weights are kept for the next start, "packed_weights" with what came of
 * it. One line in all, "memory_not_locked", says that the system locked less than was asked for.
 * Fails with STATUS_NO_MEMORY. Copies the options. Returns owned. */
MUST_CHECK enum status loader_create(const struct loader_options *options,
                                     struct loader **ret_loader, struct error *error);

/* Lets the model under way be finished and begins no other: the rest stays loading, or is not
 * stored. Never blocks; any thread. */
void loader_stop(struct loader *loader);

/* Stops, and waits for the thread: as long as one model takes. The models stay the registry's.
 * Accepts NULL. */
void loader_destroy(struct loader *loader);

#endif
