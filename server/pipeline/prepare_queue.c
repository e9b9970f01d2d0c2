#include "server/pipeline/prepare_queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"

/* Guarded by the queue's mutex. */
struct prepare_line {
    struct task *first, **end; /* oldest first */
    size_t count, sweep_at;    /* of tasks; when the dead among them are looked for */
    size_t free_count;
    size_t *free_slots; /* [free_count], a stack: the slot used last is in the caches still */
};

struct prepare_queue {
    size_t max_lines;
    pthread_mutex_t mutex;
    pthread_cond_t takeable; /* a task came or a slot came back; one worker is woken for each */
    /* Guarded by mutex: */
    size_t line_count;
    struct prepare_line **lines; /* [max_lines] */
    bool is_closed;
};

enum status prepare_queue_create(size_t max_lines, struct prepare_queue **ret_queue,
                                 struct error *error)
{
    struct prepare_queue *queue = calloc(1, sizeof *queue);
    struct prepare_line **lines = alloc_array(max_lines, sizeof(struct prepare_line *), SIZE_MAX);
    if (!queue || !lines) {
        free(lines);
        free(queue);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a queue");
    }
    queue->max_lines = max_lines;
    queue->lines = lines;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->takeable, NULL);
    *ret_queue = queue;
    return STATUS_OK;
}

static void line_destroy(struct prepare_line *line)
{
    if (!line)
        return;
    free(line->free_slots);
    free(line);
}

void prepare_queue_destroy(struct prepare_queue *queue)
{
    if (!queue)
        return;
    for (size_t i = 0; i < queue->line_count; i++)
        line_destroy(queue->lines[i]);
    pthread_cond_destroy(&queue->takeable);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->lines);
    free(queue);
}

static struct prepare_line *line_create(size_t slots)
{
    struct prepare_line *line = calloc(1, sizeof *line);
    size_t *free_slots = alloc_array(slots, sizeof *free_slots, SIZE_MAX);
    if (!line || !free_slots) {
        free(free_slots);
        free(line);
        return NULL;
    }
    line->end = &line->first;
    line->sweep_at = PREPARE_QUEUE_SWEEP_AT;
    line->free_slots = free_slots;
    line->free_count = slots;
    for (size_t i = 0; i < slots; i++)
        free_slots[i] = i;
    return line;
}

enum status prepare_queue_open(struct prepare_queue *queue, size_t slots,
                               struct prepare_line **ret_line, struct error *error)
{
    struct prepare_line *line = line_create(slots);
    if (!line)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a queue with %zu slots", slots);
    pthread_mutex_lock(&queue->mutex);
    bool fits = queue->line_count < queue->max_lines;
    if (fits)
        queue->lines[queue->line_count++] = line;
    pthread_mutex_unlock(&queue->mutex);
    if (!fits) {
        line_destroy(line);
        return error_set(error, STATUS_OVERLOADED, "there are %zu queues already",
                         queue->max_lines);
    }
    *ret_line = line;
    return STATUS_OK;
}

/* Unlinks those whose items are not live. The next sweep comes when there are twice as many as are
 * left now, so that each push pays for looking at two. */
static struct task *sweep(struct prepare_line *line)
{
    struct task *dead = NULL, **from = &line->first;
    while (*from) {
        struct task *task = *from;
        if (item_is_live(task->item)) {
            from = &task->next;
            continue;
        }
        *from = task->next;
        task->next = dead;
        dead = task;
        line->count--;
    }
    line->end = from;
    line->sweep_at =
        line->count > PREPARE_QUEUE_SWEEP_AT / 2 ? 2 * line->count : PREPARE_QUEUE_SWEEP_AT;
    return dead;
}

struct task *prepare_queue_push(struct prepare_queue *queue, struct prepare_line *line,
                                struct task *task)
{
    struct task *dead = NULL;
    task->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    task->queued_us = clock_now_us(); /* under the lock, so that a line is in its order */
    *line->end = task;
    line->end = &task->next;
    if (++line->count >= line->sweep_at)
        dead = sweep(line);
    bool is_takeable = line->free_count > 0;
    pthread_mutex_unlock(&queue->mutex);
    if (is_takeable)
        pthread_cond_signal(&queue->takeable);
    return dead;
}

static struct task *take_first(struct prepare_line *line)
{
    struct task *task = line->first;
    line->first = task->next;
    if (!line->first)
        line->end = &line->first;
    task->next = NULL;
    line->count--;
    return task;
}

/* NULL: every line is empty or without a slot. */
static struct prepare_line *find_line(const struct prepare_queue *queue)
{
    struct prepare_line *oldest = NULL;
    for (size_t i = 0; i < queue->line_count; i++) {
        struct prepare_line *line = queue->lines[i];
        if (line->first && (line->free_count > 0 || !item_is_live(line->first->item)) &&
            (!oldest || line->first->queued_us < oldest->first->queued_us))
            oldest = line;
    }
    return oldest;
}

struct task *prepare_queue_take(struct prepare_queue *queue)
{
    struct prepare_line *line = NULL;
    struct task *task = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (!queue->is_closed && !(line = find_line(queue)))
        pthread_cond_wait(&queue->takeable, &queue->mutex);
    if (!queue->is_closed) {
        task = take_first(line);
        if (item_is_live(task->item) && line->free_count > 0)
            task->slot = line->free_slots[--line->free_count];
    }
    pthread_mutex_unlock(&queue->mutex);
    return task;
}

void prepare_queue_give_back(struct prepare_queue *queue, struct prepare_line *line,
                             const size_t *slots, size_t count)
{
    pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < count; i++)
        line->free_slots[line->free_count++] = slots[i];
    bool is_awaited = line->first != NULL;
    pthread_mutex_unlock(&queue->mutex);
    for (size_t i = 0; i < count && is_awaited; i++)
        pthread_cond_signal(&queue->takeable);
}

void prepare_queue_close(struct prepare_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    pthread_mutex_unlock(&queue->mutex);
    pthread_cond_broadcast(&queue->takeable);
}

struct task *prepare_queue_clear(struct prepare_queue *queue)
{
    struct task *task = NULL;
    pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < queue->line_count && !task; i++)
        if (queue->lines[i]->first)
            task = take_first(queue->lines[i]);
    pthread_mutex_unlock(&queue->mutex);
    return task;
}
