#include "tests/http/fake_pipeline.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/clock.h"
#include "server/pipeline/item_progress.h"

struct entry {
    struct entry *next;
    struct item *item;
};

struct queue {
    struct entry *first, *last;
};

struct pipeline {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    /* Guarded by `mutex`: */
    struct queue waiting, quick;
    size_t waited; /* ever put into `waiting` */
    bool is_stopping;
};

static void push(struct queue *queue, struct item *item)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        abort();
    entry->item = item_retain(item);
    if (queue->last)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
}

/* Returns the queue's reference, or NULL. */
static struct item *pop(struct queue *queue)
{
    struct entry *entry = queue->first;
    if (!entry)
        return NULL;
    struct item *item = entry->item;
    queue->first = entry->next;
    if (!queue->first)
        queue->last = NULL;
    free(entry);
    return item;
}

static bool finish(struct item *item)
{
    struct item_answer answer = {.times = {.inference_us = 1000}, .batch_size = 1};
    return item_finish_answer(item, &answer);
}

static void *run(void *user)
{
    struct pipeline *pipeline = user;
    pthread_mutex_lock(&pipeline->mutex);
    for (;;) {
        struct item *item = pop(&pipeline->quick);
        if (item) {
            pthread_mutex_unlock(&pipeline->mutex);
            (void)finish(item);
            item_release(item);
            pthread_mutex_lock(&pipeline->mutex);
        } else if (pipeline->is_stopping) {
            break;
        } else {
            pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
        }
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return NULL;
}

struct pipeline *fake_pipeline_create(void)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        abort();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pipeline->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&pipeline->mutex, NULL);
    if (pthread_create(&pipeline->thread, NULL, run, pipeline))
        abort();
    return pipeline;
}

void fake_pipeline_destroy(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->is_stopping = true;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
    pthread_join(pipeline->thread, NULL);
    struct item *item;
    while ((item = pop(&pipeline->waiting)))
        item_release(item);
    pthread_cond_destroy(&pipeline->changed);
    pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline);
}

void pipeline_submit(struct pipeline *pipeline, struct job *job)
{
    /* Once the last item is finished, the job may be gone. */
    size_t count = job_item_count(job);
    struct item *items[64];
    if (count > sizeof items / sizeof *items)
        abort();
    for (size_t i = 0; i < count; i++)
        items[i] = item_retain(job_item(job, i));
    for (size_t i = 0; i < count; i++) {
        const char *when = item_request(items[i])->file;
        bool is_live = item_begin(items[i], NULL);
        if (is_live && strcmp(when, FAKE_PIPELINE_NOW) == 0) {
            (void)finish(items[i]);
        } else if (is_live) {
            item_set_stage(items[i], ITEM_STAGE_QUEUE);
            bool waits = strcmp(when, FAKE_PIPELINE_WAIT) == 0;
            pthread_mutex_lock(&pipeline->mutex);
            push(waits ? &pipeline->waiting : &pipeline->quick, items[i]);
            pipeline->waited += waits;
            pthread_cond_broadcast(&pipeline->changed);
            pthread_mutex_unlock(&pipeline->mutex);
        }
        item_release(items[i]);
    }
}

bool fake_pipeline_await(struct pipeline *pipeline, size_t count, uint64_t timeout_us)
{
    uint64_t end_us = clock_now_us() + timeout_us;
    struct timespec end = {.tv_sec = (time_t)(end_us / 1000000),
                           .tv_nsec = (long)(end_us % 1000000) * 1000};
    pthread_mutex_lock(&pipeline->mutex);
    bool is_timeout = false;
    while (pipeline->waited < count && !is_timeout)
        is_timeout = pthread_cond_timedwait(&pipeline->changed, &pipeline->mutex, &end) != 0;
    bool has_come = pipeline->waited >= count;
    pthread_mutex_unlock(&pipeline->mutex);
    return has_come;
}

size_t fake_pipeline_finish(struct pipeline *pipeline, size_t count)
{
    size_t live = 0;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&pipeline->mutex);
        struct item *item = pop(&pipeline->waiting);
        pthread_mutex_unlock(&pipeline->mutex);
        if (!item)
            break;
        live += finish(item);
        item_release(item);
    }
    return live;
}
