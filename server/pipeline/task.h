/* The pipeline's side of one image: its reference to the item, and what the stages add on the way.
 *
 * A task is held by one stage at a time and by nobody else, so nothing in it is shared; what has to
 * be is in the item. Where the item was finished from outside, the stage that finds out drops the
 * task (lane_drop). */
#ifndef CLASSIFYD_SERVER_PIPELINE_TASK_H
#define CLASSIFYD_SERVER_PIPELINE_TASK_H

#include "model/batch/batcher.h"
#include "server/pipeline/item_progress.h"

struct lane;

#define TASK_NO_SLOT SIZE_MAX

struct task {
    struct batcher_entry entry;     /* first: a lane's run gets this back and means the task */
    struct item *item;              /* a reference */
    struct lane *lane;              /* of its model */
    struct blob *fetched;           /* a reference; NULL where the request brought the bytes */
    struct span bytes;              /* the image file */
    size_t slot;                    /* of its lane, or TASK_NO_SLOT */
    size_t top_k;                   /* 1..classes */
    struct topk_entry *predictions; /* [top_k]; allocated ahead, so that an answer cannot fail */
    struct image_info info;
    struct item_times times;
    struct task *next;  /* in the prepare queue */
    uint64_t queued_us; /* when it came there */
};

/* Retains the item. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status task_create(struct item *item, struct lane *lane, size_t top_k,
                                   struct task **ret_task, struct error *error);

/* Its slot has been given back. Accepts NULL. */
void task_destroy(struct task *task);

#endif
