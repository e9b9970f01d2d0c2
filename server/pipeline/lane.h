/* One model in the pipeline: its batch slots, the memory that its batches are computed in, its
 * queue in front of the workers and its queue in front of the engine. */
#ifndef CLASSIFYD_SERVER_PIPELINE_LANE_H
#define CLASSIFYD_SERVER_PIPELINE_LANE_H

#include "model/batch/batcher.h"
#include "server/pipeline/prepare_queue.h"

struct lane_options {
    const struct model *model;   /* borrowed, as the next three; outlive the lane */
    struct prepare_queue *queue; /* what waits for a worker */
    struct batcher *batcher;     /* destroyed before the lane */
    struct metrics *metrics;     /* may be NULL */
    unsigned batch_threads;      /* of the batcher: turns that run side by side */
    unsigned engine_threads;     /* >= batch_threads; that compute, all turns together */
    unsigned prepare_threads;
    size_t max_batch;
    uint64_t max_queue_delay_us;
};

/* How many batches of a lane are computed side by side, at most: see lane.c. Pure. */
unsigned lane_batch_threads(unsigned engine_threads);

/* The team of batch `batch` of those: how many of the engine threads are its own. Pure. */
unsigned lane_team_threads(unsigned engine_threads, unsigned batch);

/* Whether these threads, team by team, can be shared out so that each node has about as many as its
 * part of the CPUs: not where there are fewer threads than nodes, nor where a node has too few CPUs
 * for a team. Bound there all the same, some CPUs would have too much to do and others nothing.
 * Pure. */
bool lane_suits_nodes(unsigned engine_threads, const struct numa_topology *numa);

/* Makes everything, with every page of memory there, and opens the queues. Blocks while memory is
 * touched. Fails with STATUS_NO_MEMORY, STATUS_OVERLOADED (more lanes than the queues
 * were made for). Any thread. Returns owned. */
MUST_CHECK enum status lane_create(const struct lane_options *options, struct lane **ret_lane,
                                   struct error *error);
/* No task is in it and the batcher is gone. Accepts NULL. */
void lane_destroy(struct lane *lane);

const struct model *lane_model(const struct lane *lane);
struct metrics *lane_metrics(const struct lane *lane);

/* Bytes of slots and scratches, and how many of them are page-locked. Any thread. */
void lane_memory(const struct lane *lane, size_t *ret_bytes, size_t *ret_locked_bytes);

/* Where the task's pixels go. Its slot is set. */
uint8_t *lane_pixels(const struct lane *lane, const struct task *task);

/* Each takes the task. Never blocks. Any thread, no lock held. */
void lane_push(struct lane *lane, struct task *task);   /* has its bytes: to the workers */
void lane_submit(struct lane *lane, struct task *task); /* has its pixels: to the engine */
void lane_drop(struct lane *lane, struct task *task);   /* its item is finished */
/* Finishes the item, unless somebody has, and drops the task. */
void lane_fail(struct lane *lane, struct task *task, enum problem_code code, const char *detail);

/* From now on what comes up for the engine is finished as PROBLEM_DRAINING. Any thread. */
void lane_close(struct lane *lane);

#endif
