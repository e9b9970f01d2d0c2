#include "server/pipeline/job.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "server/pipeline/item_progress.h"

struct job {
    atomic_uint references;
    atomic_size_t open; /* items that are not finished */
    job_done_function *done;
    void *user;
    size_t count;
    struct item **items; /* [count] */
};

/* The job is there for as long as an item is open; after the subtraction it may be gone, unless
 * this was the last: then `done` has yet to be called. */
static void count_down(void *user)
{
    struct job *job = user;
    if (atomic_fetch_sub_explicit(&job->open, 1, memory_order_acq_rel) == 1)
        job->done(job->user);
}

enum status job_create(struct item *const *items, size_t count, job_done_function *done, void *user,
                       struct job **ret_job, struct error *error)
{
    struct job *job = calloc(1, sizeof *job);
    struct item **own = alloc_array(count, sizeof(struct item *), SIZE_MAX);
    if (!job || !own) {
        free(own);
        free(job);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", count);
    }
    atomic_init(&job->references, 1);
    atomic_init(&job->open, count);
    job->done = done;
    job->user = user;
    job->count = count;
    job->items = own;
    for (size_t i = 0; i < count; i++) {
        own[i] = items[i];
        item_watch(own[i], count_down, job);
    }
    *ret_job = job;
    return STATUS_OK;
}

struct job *job_retain(struct job *job)
{
    atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed);
    return job;
}

void job_abort(struct job *job, enum problem_code code, const char *detail)
{
    job_retain(job);
    for (size_t i = 0; i < job->count; i++)
        (void)item_finish_problem(job->items[i], code, detail);
    job_destroy(job);
}

void job_destroy(struct job *job)
{
    if (!job || atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < job->count; i++)
        item_release(job->items[i]);
    free(job->items);
    free(job);
}

size_t job_item_count(const struct job *job)
{
    return job->count;
}

struct item *job_item(const struct job *job, size_t index)
{
    return job->items[index];
}
