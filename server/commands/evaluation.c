#include "server/commands/evaluation.h"

#include <pthread.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/net/slot_block.h"
#include "server/commands/image_file.h"

enum { TOP = 5 };

struct shared {
    const struct model *model;
    const struct dataset *dataset;
    const struct evaluation_options *options;
    struct evaluation *evaluation; /* errors: each thread writes those of the images it took */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by the mutex: */
    size_t next; /* the first image that nobody has taken */
    size_t done;
    unsigned running; /* threads */
};

/* What one thread works with; made before it starts, so that it cannot fail. */
struct worker {
    struct shared *shared;
    pthread_t thread;
    bool is_started;
    struct engine_scratch *scratch;
    struct slot_block slots;          /* [batch] */
    float *logits;                    /* [batch, classes] */
    size_t *images;                   /* [batch], indices of those that were readable */
    struct evaluation_count *classes; /* [classes] */
};

static enum status worker_init(struct worker *worker, struct shared *shared, struct error *error)
{
    const struct engine *engine = model_engine(shared->model);
    size_t batch = shared->options->batch, classes = engine_classes(engine), logits;
    *worker = (struct worker){.shared = shared};
    if (!checked_mul(batch, classes, &logits))
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", batch);
    worker->logits = alloc_array(logits, sizeof *worker->logits, SIZE_MAX);
    worker->images = alloc_array(batch, sizeof *worker->images, SIZE_MAX);
    worker->classes = alloc_array(classes, sizeof *worker->classes, SIZE_MAX);
    if (!worker->logits || !worker->images || !worker->classes)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images a thread", batch);
    enum status status = slot_block_init(engine, batch, &worker->slots, error);
    if (status)
        return status;
    return engine_scratch_create(engine, batch, 1, &worker->scratch, error);
}

static void worker_fini(struct worker *worker)
{
    engine_scratch_destroy(worker->scratch);
    free(worker->classes);
    free(worker->images);
    free(worker->logits);
    slot_block_fini(&worker->slots);
}

/* Where there is no memory even to keep an error. */
static const struct error unkept_error = {STATUS_NO_MEMORY, "no memory"};

/* Reads one image into `slot`; false where it could not be read, which the evaluation then says. */
static bool prepare_image(const struct shared *shared, size_t index, uint8_t *slot)
{
    struct error error = {0};
    enum status status =
        image_file_prepare(shared->dataset->images[index].path, model_recipe(shared->model),
                           shared->options->orient, shared->options->scale_dct, slot, &error);
    if (!status)
        return true;
    struct error *kept = malloc(sizeof *kept);
    shared->evaluation->errors[index] = &unkept_error;
    if (kept) {
        *kept = error;
        shared->evaluation->errors[index] = kept;
    }
    return false;
}

static void count_answer(struct worker *worker, size_t image, const float *logits)
{
    const struct shared *shared = worker->shared;
    uint32_t truth = shared->dataset->images[image].class_id;
    struct topk_entry entries[TOP];
    size_t count = topk_select(logits, engine_classes(model_engine(shared->model)), TOP, entries);
    struct evaluation_count *counted = &worker->classes[truth];
    counted->images++;
    counted->top1 += count > 0 && entries[0].class_id == truth;
    for (size_t i = 0; i < count; i++)
        counted->top5 += entries[i].class_id == truth;
}

/* Images [first, last) of the data set, at most a batch. */
static void classify_batch(struct worker *worker, size_t first, size_t last,
                           struct step_slot *slots)
{
    struct shared *shared = worker->shared;
    const struct engine *engine = model_engine(shared->model);
    size_t readable = 0;
    for (size_t image = first; image < last; image++) {
        /* gcc-suppress analyzer-malloc-leak; it takes errors[image] for the same at every turn */
        if (!prepare_image(shared, image, slot_block_pixels(&worker->slots, readable)))
            continue;
        slots[readable] = slot_block_slot(&worker->slots, readable);
        worker->images[readable++] = image;
    }
    if (readable == 0)
        return;
    struct engine_outputs outputs = {.logits = worker->logits};
    engine_run(engine, worker->scratch, readable, slots, &outputs);
    for (size_t i = 0; i < readable; i++)
        count_answer(worker, worker->images[i], worker->logits + i * engine_classes(engine));
}

/* Adds `done` to what is dealt with, and takes the next images; false where none are left. */
static bool take_batch(struct shared *shared, size_t done, size_t *ret_first, size_t *ret_last)
{
    size_t count = shared->dataset->count, batch = shared->options->batch;
    pthread_mutex_lock(&shared->mutex);
    shared->done += done;
    size_t first = shared->next;
    size_t last = count - first < batch ? count : first + batch;
    shared->next = last;
    shared->running -= first == last;
    pthread_mutex_unlock(&shared->mutex);
    pthread_cond_signal(&shared->changed);
    *ret_first = first;
    *ret_last = last;
    return first < last;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct step_slot slots[EVALUATION_MAX_BATCH];
    size_t first = 0, last = 0;
    while (take_batch(worker->shared, last - first, &first, &last))
        classify_batch(worker, first, last, slots);
    return NULL;
}

/* The caller's thread: tells of progress until the last worker has ended. */
static void watch(struct shared *shared)
{
    pthread_mutex_lock(&shared->mutex);
    while (shared->running > 0) {
        pthread_cond_wait(&shared->changed, &shared->mutex);
        size_t done = shared->done;
        pthread_mutex_unlock(&shared->mutex);
        shared->options->progress(shared->options->user, done);
        pthread_mutex_lock(&shared->mutex);
    }
    pthread_mutex_unlock(&shared->mutex);
}

static void add_up(struct evaluation *evaluation, const struct worker *workers, unsigned threads,
                   size_t classes)
{
    for (unsigned i = 0; i < threads; i++)
        for (size_t id = 0; id < classes; id++) {
            const struct evaluation_count *counted = &workers[i].classes[id];
            struct evaluation_count *const sums[] = {&evaluation->classes[id], &evaluation->all};
            for (size_t sum = 0; sum < 2; sum++) {
                sums[sum]->images += counted->images;
                sums[sum]->top1 += counted->top1;
                sums[sum]->top5 += counted->top5;
            }
        }
    for (size_t i = 0; i < evaluation->images; i++)
        evaluation->unreadable += evaluation->errors[i] != NULL;
}

static void note_missing_thread(struct shared *shared)
{
    pthread_mutex_lock(&shared->mutex);
    shared->running--;
    pthread_mutex_unlock(&shared->mutex);
}

/* Starts the workers and waits for them. Where not all threads can be had, fewer do the work. */
static enum status run_workers(struct shared *shared, struct worker *workers, struct error *error)
{
    unsigned threads = shared->options->threads, started = 0;
    shared->running = threads; /* none runs yet that could look */
    for (unsigned i = 0; i < threads; i++) {
        workers[i].is_started =
            pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0;
        if (workers[i].is_started)
            started++;
        else
            note_missing_thread(shared);
    }
    watch(shared);
    for (unsigned i = 0; i < threads; i++)
        if (workers[i].is_started)
            pthread_join(workers[i].thread, NULL);
    return started ? STATUS_OK : error_set(error, STATUS_INTERNAL, "no thread could be started");
}

enum status evaluation_run(struct evaluation *evaluation, const struct model *model,
                           const struct dataset *dataset, const struct evaluation_options *options,
                           struct error *error)
{
    *evaluation = (struct evaluation){.images = dataset->count};
    size_t classes = engine_classes(model_engine(model));
    struct shared shared = {.model = model,
                            .dataset = dataset,
                            .options = options,
                            .evaluation = evaluation,
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    struct worker *workers = alloc_array(options->threads, sizeof *workers, SIZE_MAX);
    evaluation->classes = alloc_array(classes, sizeof *evaluation->classes, SIZE_MAX);
    evaluation->errors = alloc_array(dataset->count, sizeof *evaluation->errors, SIZE_MAX);
    enum status status = STATUS_OK;
    if (!workers || !evaluation->classes || !evaluation->errors)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", dataset->count);
    unsigned made = 0;
    for (; !status && made < options->threads; made++)
        status = worker_init(&workers[made], &shared, error);
    if (!status) {
        uint64_t start_us = clock_now_us();
        status = run_workers(&shared, workers, error);
        evaluation->elapsed_us = clock_now_us() - start_us;
    }
    if (!status)
        add_up(evaluation, workers, options->threads, classes);
    for (unsigned i = 0; i < made; i++)
        worker_fini(&workers[i]);
    free(workers);
    pthread_cond_destroy(&shared.changed);
    pthread_mutex_destroy(&shared.mutex);
    return status;
}

void evaluation_fini(struct evaluation *evaluation)
{
    for (size_t i = 0; evaluation->errors && i < evaluation->images; i++)
        if (evaluation->errors[i] != &unkept_error)
            free((void *)(uintptr_t)evaluation->errors[i]);
    free(evaluation->errors);
    free(evaluation->classes);
    *evaluation = (struct evaluation){0};
}
