#include "server/pipeline/preparer.h"

#include <pthread.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/image/decode.h"
#include "model/image/prepare.h"
#include "server/pipeline/decode_gate.h"
#include "server/pipeline/lane.h"

struct preparer {
    struct preparer_options options;
    struct decode_gate gate;
    size_t started;
    pthread_t *threads; /* [started] */
};

/* Takes the task; what came from a URL and is no image is the other server's fault. */
static void fail(struct task *task, const struct error *error)
{
    struct problem problem = {0};
    enum image_format format;
    if (task->fetched && !decode_sniff(task->bytes, &format))
        problem_set(&problem, PROBLEM_FETCH_NOT_AN_IMAGE, "%s", error->text);
    else
        problem_set_error(&problem, error);
    lane_fail(task->lane, task, problem.code, problem.detail);
}

static void count_prepared(struct metrics *metrics, struct task *task,
                           const struct image_prepare_times *times)
{
    task->times.decode_us = times->decode_us;
    task->times.preprocess_us = times->preprocess_us;
    metrics_stage(metrics, METRICS_STAGE_DECODE, times->decode_us);
    metrics_stage(metrics, METRICS_STAGE_PREPROCESS, times->preprocess_us);
}

/* Decodes, orients, resizes and crops within the memory that all workers share. */
static enum status prepare_within(struct preparer *preparer, struct task *task, struct error *error)
{
    const struct recipe *recipe = model_recipe(lane_model(task->lane));
    const struct image_prepare_options options = {.limits = preparer->options.limits,
                                                  .resize_px = recipe->resize_px,
                                                  .crop_px = recipe->crop_px,
                                                  .orient = preparer->options.orient,
                                                  .scale_dct = preparer->options.scale_dct};
    struct image_prepare_times times = {0};
    enum status status = decode_header(task->bytes, &options.limits, &task->info, error);
    if (status)
        return status;
    size_t bytes = image_prepare_bytes(&options, &task->info);
    if (!decode_gate_enter(&preparer->gate, bytes))
        return error_set(error, STATUS_TOO_LARGE,
                         "decoding the image takes %zu bytes, at most %zu are taken", bytes,
                         preparer->options.decode_memory_bytes);
    /* It may have waited long; nobody reads what is in the slot of one that was given up. */
    if (item_is_live(task->item)) {
        status = image_prepare(&options, task->bytes, lane_pixels(task->lane, task), &task->info,
                               &times, error);
        if (!status)
            count_prepared(preparer->options.metrics, task, &times);
    }
    decode_gate_leave(&preparer->gate, bytes);
    return status;
}

/* Takes the task. */
static void prepare(struct preparer *preparer, struct task *task)
{
    struct error error = {0};
    struct metrics *metrics = preparer->options.metrics;
    metrics_queue_add(metrics, METRICS_QUEUE_PREPARE, -1);
    metrics_queue_wait(metrics, METRICS_QUEUE_PREPARE, clock_now_us() - task->queued_us);
    /* Without a slot it is not live. */
    if (task->slot != TASK_NO_SLOT && prepare_within(preparer, task, &error))
        fail(task, &error);
    else if (!item_is_live(task->item))
        lane_drop(task->lane, task);
    else {
        /* The pixels are what counts from here on. */
        blob_release(task->fetched);
        task->fetched = NULL;
        task->bytes = (struct span){0};
        lane_submit(task->lane, task);
    }
}

static void *work(void *user)
{
    struct preparer *preparer = user;
    struct task *task;
    while ((task = prepare_queue_take(preparer->options.queue)))
        prepare(preparer, task);
    return NULL;
}

enum status preparer_create(const struct preparer_options *options, struct preparer **ret_preparer,
                            struct error *error)
{
    struct preparer *preparer = calloc(1, sizeof *preparer);
    pthread_t *threads = alloc_array(options->threads, sizeof *threads, SIZE_MAX);
    if (!preparer || !threads) {
        free(threads);
        free(preparer);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %u workers", options->threads);
    }
    preparer->options = *options;
    preparer->threads = threads;
    decode_gate_init(&preparer->gate, options->decode_memory_bytes);
    while (preparer->started < options->threads &&
           !pthread_create(&threads[preparer->started], NULL, work, preparer))
        preparer->started++;
    if (preparer->started < options->threads) {
        preparer_destroy(preparer);
        return error_set(error, STATUS_NO_MEMORY, "no thread for a worker");
    }
    *ret_preparer = preparer;
    return STATUS_OK;
}

void preparer_destroy(struct preparer *preparer)
{
    if (!preparer)
        return;
    prepare_queue_close(preparer->options.queue);
    for (size_t i = 0; i < preparer->started; i++)
        pthread_join(preparer->threads[i], NULL);
    decode_gate_fini(&preparer->gate);
    free(preparer->threads);
    free(preparer);
}
