/* Owns the stages and the order in which they are made and ended; sends items on their way. */
#include "server/pipeline/pipeline.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "server/pipeline/lane.h"
#include "server/pipeline/preparer.h"

struct pipeline {
    struct pipeline_options options;
    struct prepare_queue *queue;
    struct batcher *batcher;
    struct preparer *preparer;
    pthread_mutex_t mutex;
    /* Guarded by mutex: */
    size_t lane_count;
    struct lane **lanes; /* [registry_count] */
};

static enum status make_stages(struct pipeline *pipeline, struct error *error)
{
    const struct pipeline_options *options = &pipeline->options;
    size_t models = registry_count(options->registry);
    pipeline->lanes = alloc_array(models, sizeof(struct lane *), SIZE_MAX);
    if (!pipeline->lanes)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu models", models);
    enum status status = prepare_queue_create(models, &pipeline->queue, error);
    if (!status)
        status = batcher_create(lane_batch_threads(options->engine_threads), models, clock_now_us,
                                options->numa, &pipeline->batcher, error);
    if (!status)
        status = preparer_create(
            &(struct preparer_options){.queue = pipeline->queue,
                                       .metrics = options->metrics,
                                       .threads = options->prepare_threads,
                                       .limits = options->image_limits,
                                       .decode_memory_bytes = options->decode_memory_bytes,
                                       .orient = options->orient,
                                       .scale_dct = options->scale_dct},
            &pipeline->preparer, error);
    return status;
}

enum status pipeline_create(const struct pipeline_options *options, struct pipeline **ret_pipeline,
                            struct error *error)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a pipeline");
    pipeline->options = *options;
    pthread_mutex_init(&pipeline->mutex, NULL);
    enum status status = make_stages(pipeline, error);
    if (status)
        pipeline_destroy(pipeline);
    else
        *ret_pipeline = pipeline;
    return status;
}

enum status pipeline_open_lane(struct pipeline *pipeline, struct registry_entry *entry,
                               struct error *error)
{
    const struct pipeline_options *options = &pipeline->options;
    struct lane *lane = NULL;
    enum status status = lane_create(
        &(struct lane_options){.model = registry_entry_model(entry),
                               .queue = pipeline->queue,
                               .batcher = pipeline->batcher,
                               .metrics = options->metrics,
                               .batch_threads = lane_batch_threads(options->engine_threads),
                               .engine_threads = options->engine_threads,
                               .prepare_threads = options->prepare_threads,
                               .max_batch = options->max_batch,
                               .max_queue_delay_us = options->max_queue_delay_us},
        &lane, error);
    if (status)
        return status;
    /* The queues took it, so there is room here. */
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->lanes[pipeline->lane_count++] = lane;
    pthread_mutex_unlock(&pipeline->mutex);
    registry_entry_set_lane(entry, lane);
    return STATUS_OK;
}

/* "demo, resnet50": as many as there is room for. */
static void list_models(const struct registry *registry, size_t size, char *ret_list)
{
    size_t at = 0;
    ret_list[0] = '\0';
    for (size_t i = 0; i < registry_count(registry); i++) {
        const char *name = registry_entry_name(registry_at(registry, i));
        size_t length = strlen(name);
        if (length + 2 >= size - at)
            return;
        if (i > 0) {
            memcpy(ret_list + at, ", ", 2);
            at += 2;
        }
        memcpy(ret_list + at, name, length + 1);
        at += length;
    }
}

static struct registry_entry *find_model(const struct pipeline *pipeline, const char *name,
                                         struct problem *problem)
{
    const struct registry *registry = pipeline->options.registry;
    struct registry_entry *entry = registry_find(registry, name);
    if (entry)
        return entry;
    char names[256];
    list_models(registry, sizeof names, names);
    problem_set(problem, PROBLEM_MODEL_NOT_FOUND, "there is no model \"%.128s\" here; there is: %s",
                name ? name : "", names);
    return NULL;
}

/* The lane that an item goes to; NULL: `problem` says why none. */
static struct lane *choose_lane(const struct pipeline *pipeline, struct item *item,
                                struct problem *problem)
{
    const struct registry_entry *entry = find_model(pipeline, item_request(item)->model, problem);
    if (!entry)
        return NULL;
    switch (registry_entry_state(entry)) {
    case REGISTRY_READY:
        item_set_model(item, registry_entry_model(entry));
        return registry_entry_lane(entry);
    case REGISTRY_LOADING:
        problem_set(problem, PROBLEM_MODEL_NOT_READY, "the model \"%s\" is still being loaded",
                    registry_entry_name(entry));
        break;
    case REGISTRY_FAILED:
        problem_set(problem, PROBLEM_MODEL_NOT_READY, "the model \"%s\" could not be loaded",
                    registry_entry_name(entry));
        break;
    }
    return NULL;
}

/* NULL: `problem` says why. */
static struct task *make_task(struct item *item, struct lane *lane, struct problem *problem)
{
    uint32_t classes = engine_classes(model_engine(lane_model(lane)));
    uint32_t top_k = item_request(item)->top_k;
    struct task *task = NULL;
    struct error error = {0};
    if (top_k > classes) {
        problem_set(problem, PROBLEM_BAD_REQUEST,
                    "top_k is %" PRIu32 "; this model takes 1 to %" PRIu32, top_k, classes);
        return NULL;
    }
    if (top_k == 0)
        top_k = classes < ITEM_DEFAULT_TOP_K ? classes : ITEM_DEFAULT_TOP_K;
    if (task_create(item, lane, top_k, &task, &error))
        problem_set_error(problem, &error);
    return task;
}

static bool is_wanted(void *user)
{
    const struct task *task = user;
    return item_is_live(task->item);
}

/* On the fetcher's thread. */
static void fetched(void *user, struct fetcher_result *result)
{
    struct task *task = user;
    struct metrics *metrics = lane_metrics(task->lane);
    metrics_queue_add(metrics, METRICS_QUEUE_FETCH, -1);
    metrics_queue_wait(metrics, METRICS_QUEUE_FETCH, result->wait_us);
    metrics_fetch(metrics, result->problem.code);
    if (result->problem.code != PROBLEM_NONE) {
        lane_fail(task->lane, task, result->problem.code, result->problem.detail);
        return;
    }
    metrics_stage(metrics, METRICS_STAGE_FETCH, result->fetch_us);
    task->times.fetch_us = result->fetch_us;
    task->fetched = result->blob;
    task->bytes = blob_bytes(result->blob);
    if (item_is_live(task->item))
        lane_push(task->lane, task);
    else
        lane_drop(task->lane, task);
}

/* Takes the task. */
static void fetch(const struct pipeline *pipeline, struct task *task)
{
    const struct pipeline_options *options = &pipeline->options;
    const struct fetcher_request request = {.url = item_request(task->item)->url,
                                            .done = fetched,
                                            .is_wanted = is_wanted,
                                            .user = task};
    struct error error = {0};
    struct problem problem = {0};
    if (!options->fetcher) {
        lane_fail(task->lane, task, PROBLEM_FETCH_DISABLED, "fetching by URL is turned off here");
        return;
    }
    item_set_stage(task->item, ITEM_STAGE_FETCH);
    metrics_queue_add(options->metrics, METRICS_QUEUE_FETCH, 1);
    if (fetcher_submit(options->fetcher, &request, &error)) {
        metrics_queue_add(options->metrics, METRICS_QUEUE_FETCH, -1);
        problem_set_error(&problem, &error);
        lane_fail(task->lane, task, problem.code, problem.detail);
    }
}

static void start(const struct pipeline *pipeline, struct item *item)
{
    struct problem problem = {0};
    struct task *task = NULL;
    if (!item_begin(item, pipeline->options.metrics))
        return;
    struct lane *lane = choose_lane(pipeline, item, &problem);
    if (lane)
        task = make_task(item, lane, &problem);
    if (!task)
        (void)item_finish_problem(item, problem.code, problem.detail);
    else if (item_request(item)->url)
        fetch(pipeline, task);
    else
        lane_push(lane, task);
}

void pipeline_submit(struct pipeline *pipeline, struct job *job)
{
    job_retain(job); /* `done` may be called, and destroy it, before the last item is started */
    for (size_t i = 0; i < job_item_count(job); i++)
        start(pipeline, job_item(job, i));
    job_destroy(job);
}

void pipeline_memory(const struct pipeline *pipeline, size_t *ret_bytes, size_t *ret_locked_bytes)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)&pipeline->mutex;
    size_t bytes = 0, locked_bytes = 0;
    pthread_mutex_lock(mutex);
    for (size_t i = 0; i < pipeline->lane_count; i++) {
        size_t of_lane, locked_of_lane;
        lane_memory(pipeline->lanes[i], &of_lane, &locked_of_lane);
        bytes += of_lane;
        locked_bytes += locked_of_lane;
    }
    pthread_mutex_unlock(mutex);
    *ret_bytes = bytes;
    *ret_locked_bytes = locked_bytes;
}

/* First the workers, then what waits for them, then the engine with what waits for it, so that each
 * stage is there for as long as the one before may hand something over. */
void pipeline_destroy(struct pipeline *pipeline)
{
    struct task *task;
    if (!pipeline)
        return;
    for (size_t i = 0; i < pipeline->lane_count; i++)
        lane_close(pipeline->lanes[i]);
    preparer_destroy(pipeline->preparer);
    while (pipeline->queue && (task = prepare_queue_clear(pipeline->queue))) {
        metrics_queue_add(pipeline->options.metrics, METRICS_QUEUE_PREPARE, -1);
        lane_fail(task->lane, task, PROBLEM_DRAINING, "the server is shutting down");
    }
    batcher_destroy(pipeline->batcher);
    for (size_t i = 0; i < pipeline->lane_count; i++)
        lane_destroy(pipeline->lanes[i]);
    prepare_queue_destroy(pipeline->queue);
    free(pipeline->lanes);
    pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline);
}
