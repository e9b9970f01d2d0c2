/* Queues of images that wait for the engine, and the threads that run them in batches.
 *
 * A lane is one model's queue. The engine threads are shared by all lanes, so that several models
 * never compute on more threads than there are; a free thread serves the lane whose oldest image
 * has waited longest. A wide run has all threads to itself: it is started when all are idle, by one
 * of them, and no other run starts until it ends. */
#ifndef CLASSIFYD_MODEL_BATCH_BATCHER_H
#define CLASSIFYD_MODEL_BATCH_BATCHER_H

#include <stdbool.h>

#include "model/base/numa.h"
#include "model/base/status.h"
#include "model/batch/batch_policy.h"

/* Part of what is queued; the batcher's while it is in a lane. */
struct batcher_entry {
    struct batcher_entry *next;
    uint64_t queued_us;
};

/* Which of a lane's scratches a run may use. */
struct batcher_turn {
    unsigned thread; /* 0..threads-1: nobody else runs as this thread */
    bool is_wide;    /* nobody else runs at all */
};

struct batcher_lane_options {
    size_t max_batch;
    uint64_t max_queue_delay_us;
    /* Runs `entries` [count, 1..max_batch], oldest first, which are the caller's from now on. On an
     * engine thread, no lock held. */
    void (*run)(void *user, struct batcher_turn turn, struct batcher_entry *const *entries,
                size_t count);
    void *user;
};

struct batcher;
struct batcher_lane;

/* Starts `threads` (>= 1) engine threads, each bound to its share of the nodes of `numa` (NULL or
 * without nodes: to nothing; used during the call alone). `clock` is clock_now_us, or a test's.
 * `max_lanes` >= 1. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status batcher_create(unsigned threads, size_t max_lanes, uint64_t (*clock)(void),
                                      const struct numa_topology *numa,
                                      struct batcher **ret_batcher, struct error *error);

/* Opens a lane, which is the batcher's. Any thread. Fails with STATUS_NO_MEMORY, STATUS_OVERLOADED
 * over max_lanes. */
MUST_CHECK enum status batcher_open_lane(struct batcher *batcher,
                                         const struct batcher_lane_options *options,
                                         struct batcher_lane **ret_lane, struct error *error);

/* Queues an entry; sets its queued_us. Never blocks for a run. Any thread; not after
 * batcher_destroy began. */
void batcher_submit(struct batcher *batcher, struct batcher_lane *lane,
                    struct batcher_entry *entry);

/* Runs what is queued, then ends the threads. Accepts NULL. */
void batcher_destroy(struct batcher *batcher);

#endif
