/* One request's items, counted until the last is finished. */
#ifndef CLASSIFYD_SERVER_PIPELINE_JOB_H
#define CLASSIFYD_SERVER_PIPELINE_JOB_H

#include "server/pipeline/item.h"

struct job;

/* Called once, when the last item is finished, by the thread that finished it, with no lock of the
 * pipeline held; must not block. It may call job_destroy. */
typedef void job_done_function(void *user);

/* Takes the references of `items` [count >= 1]. Fails with STATUS_NO_MEMORY (nothing is taken).
 * Returns one reference. */
MUST_CHECK enum status job_create(struct item *const *items, size_t count, job_done_function *done,
                                  void *user, struct job **ret_job, struct error *error);

/* One more reference, for a thread that will call job_abort while another may destroy the job: take
 * it while the job is certain to be there (under the lock of a table that holds it), let the lock
 * go, abort, job_destroy. Any thread. */
struct job *job_retain(struct job *job);

/* Finishes every item that is not finished yet with that problem: deadline, client gone, drain.
 * Calls `done` where that was the last, so with no lock held that `done` takes. May race with
 * pipeline_submit, with the stages and with itself; holds the job itself, so that `done` may
 * destroy it meanwhile. Any thread, by whoever has a reference. */
void job_abort(struct job *job, enum problem_code code, const char *detail);

/* Gives one reference back; the last releases the items. The creator's: not before `done` was
 * called, or before the job was submitted. Accepts NULL. Any thread. */
void job_destroy(struct job *job);

size_t job_item_count(const struct job *job);
struct item *job_item(const struct job *job, size_t index); /* borrowed */

#endif
