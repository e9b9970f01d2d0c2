/* One request's items, counted until the last is finished. */
#ifndef CLASSIFYD_SERVER_PIPELINE_JOB_H
#define CLASSIFYD_SERVER_PIPELINE_JOB_H

#include "server/pipeline/item.h"

struct job;

/* Called once, when the last item is finished, by the thread that finished it, with no lock
 * held; must not block. It may call job_destroy. */
typedef void job_done_function(void *user);

/* Takes the references of `items` [count >= 1]. Fails with STATUS_NO_MEMORY (nothing is taken). */
MUST_CHECK enum status job_create(struct item *const *items, size_t count, job_done_function *done,
                                  void *user, struct job **ret_job, struct error *error);

/* Finishes every item that is not finished yet with that problem: deadline, client gone, drain.
 * Calls `done` where that was the last. Any thread, any time before job_destroy. */
void job_abort(struct job *job, enum problem_code code, const char *detail);

/* Releases the items: not before `done` was called, or before any was submitted. Accepts NULL. */
void job_destroy(struct job *job);

size_t job_item_count(const struct job *job);
struct item *job_item(const struct job *job, size_t index); /* borrowed */

#endif
