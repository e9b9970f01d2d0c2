/* Owns the request's copy, the outcome, and the decision who writes it. */
#include <stdatomic.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "server/pipeline/item_progress.h"

/* Bits of `flags`; each is set once. */
enum {
    BEGUN = 1,     /* `metrics` is written */
    FINISHED = 2,  /* somebody decides, or has decided, the outcome */
    PUBLISHED = 4, /* the outcome is written */
};

struct item {
    atomic_uint references, flags;
    atomic_int stage; /* enum item_stage */
    _Atomic(const struct model *) model;
    uint64_t created_us;
    char *url, *file, *model_name; /* what `request` points to */
    struct item_request request;
    void (*finished)(void *user);
    void *user;
    struct metrics *metrics; /* written before BEGUN is set */

    /* Whoever sets FINISHED writes them, before PUBLISHED is set; immutable afterwards. */
    struct item_outcome outcome;
    struct topk_entry *predictions;
};

static void destroy(struct item *item)
{
    blob_release(item->request.blob);
    free(item->predictions);
    free(item->url);
    free(item->file);
    free(item->model_name);
    free(item);
}

/* Whether there is a copy where there is a text. */
static bool copy_text(const char *text, char **ret_copy, const char **ret_text)
{
    *ret_copy = text ? alloc_string(text, SIZE_MAX) : NULL;
    *ret_text = *ret_copy;
    return *ret_copy || !text;
}

enum status item_create(const struct item_request *request, struct item **ret_item,
                        struct error *error)
{
    struct item *item = calloc(1, sizeof *item);
    if (!item)
        return error_set(error, STATUS_NO_MEMORY, "no memory for an image's request");
    atomic_init(&item->references, 1);
    item->created_us = clock_now_us();
    item->request = *request;
    if (item->request.blob)
        blob_retain(item->request.blob);
    bool is_copied = copy_text(request->url, &item->url, &item->request.url);
    is_copied = copy_text(request->file, &item->file, &item->request.file) && is_copied;
    is_copied = copy_text(request->model, &item->model_name, &item->request.model) && is_copied;
    if (!is_copied) {
        destroy(item);
        return error_set(error, STATUS_NO_MEMORY, "no memory for an image's request");
    }
    *ret_item = item;
    return STATUS_OK;
}

struct item *item_retain(struct item *item)
{
    atomic_fetch_add_explicit(&item->references, 1, memory_order_relaxed);
    return item;
}

void item_release(struct item *item)
{
    if (item && atomic_fetch_sub_explicit(&item->references, 1, memory_order_acq_rel) == 1)
        destroy(item);
}

const struct item_request *item_request(const struct item *item)
{
    return &item->request;
}

const struct item_outcome *item_outcome(const struct item *item)
{
    return &item->outcome;
}

void item_watch(struct item *item, void (*finished)(void *user), void *user)
{
    item->finished = finished;
    item->user = user;
}

static void count_problem(const struct item *item)
{
    if (item->outcome.problem.code != PROBLEM_NONE)
        metrics_problem(item->metrics, item->outcome.problem.code);
}

/* Of this and `publish` exactly one finds the other's flag set, and counts: an item may be aborted
 * before the pipeline has said where to. */
bool item_begin(struct item *item, struct metrics *metrics)
{
    item->metrics = metrics;
    unsigned before = atomic_fetch_or(&item->flags, BEGUN);
    if (before & PUBLISHED)
        count_problem(item);
    return !(before & FINISHED);
}

void item_set_stage(struct item *item, enum item_stage stage)
{
    atomic_store_explicit(&item->stage, (int)stage, memory_order_relaxed);
}

void item_set_model(struct item *item, const struct model *model)
{
    atomic_store_explicit(&item->model, model, memory_order_release);
}

bool item_is_live(const struct item *item)
{
    return !(atomic_load_explicit(&item->flags, memory_order_relaxed) & FINISHED);
}

static bool claim(struct item *item)
{
    return !(atomic_fetch_or(&item->flags, FINISHED) & FINISHED);
}

static void publish(struct item *item)
{
    item->outcome.model = atomic_load_explicit(&item->model, memory_order_acquire);
    item->outcome.times.total_us = clock_now_us() - item->created_us;
    if (atomic_fetch_or(&item->flags, PUBLISHED) & BEGUN)
        count_problem(item);
    if (item->finished)
        item->finished(item->user);
}

bool item_finish_problem(struct item *item, enum problem_code code, const char *detail)
{
    if (!claim(item))
        return false;
    problem_set(&item->outcome.problem, code, "%s", detail);
    item->outcome.stage = (enum item_stage)atomic_load_explicit(&item->stage, memory_order_relaxed);
    publish(item);
    return true;
}

bool item_finish_answer(struct item *item, struct item_answer *answer)
{
    if (!claim(item))
        return false;
    item->predictions = answer->predictions;
    answer->predictions = NULL;
    item->outcome = (struct item_outcome){.stage = ITEM_STAGE_DONE,
                                          .prediction_count = answer->prediction_count,
                                          .predictions = item->predictions,
                                          .info = answer->info,
                                          .times = answer->times,
                                          .batch_size = answer->batch_size};
    publish(item);
    return true;
}
