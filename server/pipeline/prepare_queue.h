/* Images that wait to be decoded, and the free batch slots that they wait for: a queue a model, all
 * under one lock, from which workers take the oldest image whose model has a slot. So one model
 * whose slots are all taken never holds back another. */
#ifndef CLASSIFYD_SERVER_PIPELINE_PREPARE_QUEUE_H
#define CLASSIFYD_SERVER_PIPELINE_PREPARE_QUEUE_H

#include "server/pipeline/task.h"

enum { PREPARE_QUEUE_SWEEP_AT = 1024 };

struct prepare_queue;
struct prepare_line; /* one model's queue and free slots */

/* `max_lines` >= 1. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status prepare_queue_create(size_t max_lines, struct prepare_queue **ret_queue,
                                            struct error *error);
/* Nobody waits and nothing is queued any more. Accepts NULL. */
void prepare_queue_destroy(struct prepare_queue *queue);

/* A line with slots 0..slots-1, all free; the queue's. Any thread. Fails with STATUS_NO_MEMORY,
 * STATUS_OVERLOADED over max_lines. */
MUST_CHECK enum status prepare_queue_open(struct prepare_queue *queue, size_t slots,
                                          struct prepare_line **ret_line, struct error *error);

/* Takes the task. Returns a list (`next`) of others that were queued and whose items are not live
 * any more, the caller's to drop; mostly NULL. So a line holds a task a live item, and as many dead
 * ones again at most, or PREPARE_QUEUE_SWEEP_AT of them: clients that come and leave while the
 * engine is busy cannot fill the memory. Never blocks. Any thread. */
MUST_CHECK struct task *prepare_queue_push(struct prepare_queue *queue, struct prepare_line *line,
                                           struct task *task);

/* The caller's from now on: with a slot, or without one where its item is not live any more. Waits
 * for one; NULL from prepare_queue_close on. Any thread. */
struct task *prepare_queue_take(struct prepare_queue *queue);

/* Slots that are free again. Any thread. */
void prepare_queue_give_back(struct prepare_queue *queue, struct prepare_line *line,
                             const size_t *slots, size_t count);

/* Wakes whoever waits; nothing is taken any more. */
void prepare_queue_close(struct prepare_queue *queue);

/* One that is still queued after the close, without a slot; NULL: none is. */
struct task *prepare_queue_clear(struct prepare_queue *queue);

#endif
