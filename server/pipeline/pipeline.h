/* The way of an image: fetch, prepare, batch, run, finish. Owns the worker and engine threads, the
 * slots, and every queue between them.
 *
 *   submit -> [fetcher] -> prepare queue -> worker: decode, orient, resize, crop into a slot
 *          -> batcher lane of its model -> engine thread: run the batch, top-k -> item_finish
 *
 * An item that is not live any more (finished from outside) is dropped at each hand-over. */
#ifndef CLASSIFYD_SERVER_PIPELINE_PIPELINE_H
#define CLASSIFYD_SERVER_PIPELINE_PIPELINE_H

#include "server/fetch/fetcher.h"
#include "server/metrics.h"
#include "server/models/registry.h"
#include "server/pipeline/job.h"

struct pipeline;

struct pipeline_options {
    struct registry *registry; /* borrowed, as the next two; outlive the pipeline */
    struct fetcher *fetcher;   /* NULL: URLs are PROBLEM_FETCH_DISABLED */
    struct metrics *metrics;
    unsigned prepare_threads; /* >= 1: they decode */
    unsigned engine_threads;  /* >= 1: they run batches */
    size_t max_batch;         /* >= 1 */
    const struct numa_topology
        *numa; /* the nodes that engine threads are shared out over, as the models' engines have
                  them; NULL or without nodes: they are bound to nothing. Outlives the pipeline */
    uint64_t max_queue_delay_us; /* how long a batch that is not full waits for company */
    struct image_limits image_limits;
    size_t decode_memory_bytes; /* pixels decoded at one time; workers wait for each other */
    bool orient;                /* apply the EXIF orientation */
    bool scale_dct;             /* decode large JPEGs at a fraction of their size */
};

/* Starts the threads; no model is served yet. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status pipeline_create(const struct pipeline_options *options,
                                       struct pipeline **ret_pipeline, struct error *error);

/* Makes slots and scratches for a model that was loaded, runs each once (so that no page is touched
 * for the first time by a request) and opens its lane. To be called before registry_set_ready. Any
 * thread; blocks for some runs of the model. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status pipeline_open_lane(struct pipeline *pipeline, struct registry_entry *entry,
                                          struct error *error);

/* Sends every item of the job on its way; each is finished sooner or later, never on this call's
 * stack while a lock is held, but perhaps before it returns. Never blocks. Any thread. */
void pipeline_submit(struct pipeline *pipeline, struct job *job);

/* Bytes of slots and scratches, and how many of them are page-locked. Any thread. */
void pipeline_memory(const struct pipeline *pipeline, size_t *ret_bytes, size_t *ret_locked_bytes);

/* Ends the threads; what is still queued is finished with PROBLEM_DRAINING. No job may be submitted
 * any more. The fetcher must have been destroyed before, so that nothing arrives. Accepts NULL. */
void pipeline_destroy(struct pipeline *pipeline);

#endif
