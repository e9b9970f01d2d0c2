/* How long an image takes wide (one image on all threads) and narrow (each thread its own), and
 * what the batcher makes of it: `clients` images are always under way, each submitted again as soon
 * as it is answered.
 *
 * change_over MODEL THREADS MAX_BATCH SECONDS CLIENTS... */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/base/clock.h"
#include "model/batch/batcher.h"
#include "model/model.h"
#include "model/net/slot_block.h"
#include "server/web/assets.h"

enum { MAX_THREADS = 64, MAX_BATCH = 256, MAX_TIMES = 1 << 20 };

struct client {
    struct batcher_entry entry; /* first: an entry is its client */
    struct step_slot slot;
};

struct bench {
    const struct engine *engine;
    unsigned threads;
    size_t max_batch;
    struct engine_scratch *wide, *narrow[MAX_THREADS];
    float *logits[MAX_THREADS]; /* [max_batch, classes] */
    struct slot_block block;
    uint64_t *times_us; /* [MAX_TIMES] */
    struct batcher *batcher;
    struct batcher_lane *lane;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by mutex: */
    bool is_over;
    size_t retired, time_count, images, runs, wide_runs;
};

static void need(bool is_met, const char *what)
{
    if (is_met)
        return;
    (void)fprintf(stderr, "change_over: %s\n", what);
    exit(EXIT_FAILURE);
}

static void run(void *user, struct batcher_turn turn, struct batcher_entry *const *entries,
                size_t count)
{
    struct bench *bench = user;
    struct step_slot slots[MAX_BATCH];
    bool is_submitted_again[MAX_BATCH];
    for (size_t i = 0; i < count; i++)
        slots[i] = ((struct client *)entries[i])->slot;
    engine_run(bench->engine, turn.is_wide ? bench->wide : bench->narrow[turn.thread], count, slots,
               &(struct engine_outputs){.logits = bench->logits[turn.thread]});
    uint64_t now_us = clock_now_us();
    pthread_mutex_lock(&bench->mutex);
    bench->runs++;
    bench->wide_runs += turn.is_wide;
    bench->images += count;
    for (size_t i = 0; i < count; i++) {
        if (bench->time_count < MAX_TIMES)
            bench->times_us[bench->time_count++] = now_us - entries[i]->queued_us;
        is_submitted_again[i] = !bench->is_over;
        bench->retired += bench->is_over;
    }
    pthread_mutex_unlock(&bench->mutex);
    pthread_cond_signal(&bench->changed);
    for (size_t i = 0; i < count; i++)
        if (is_submitted_again[i])
            batcher_submit(bench->batcher, bench->lane, entries[i]);
}

static void wait_until_over(struct bench *bench, double seconds, size_t clients)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    uint64_t end_ns = (uint64_t)end.tv_nsec + (uint64_t)(seconds * 1e9);
    end.tv_sec += (time_t)(end_ns / 1000000000u);
    end.tv_nsec = (long)(end_ns % 1000000000u);
    pthread_mutex_lock(&bench->mutex);
    while (pthread_cond_timedwait(&bench->changed, &bench->mutex, &end) == 0)
        ;
    bench->is_over = true;
    while (bench->retired < clients)
        pthread_cond_wait(&bench->changed, &bench->mutex);
    pthread_mutex_unlock(&bench->mutex);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void print_line(struct bench *bench, const char *what, size_t clients, uint64_t elapsed_us)
{
    size_t count = bench->time_count, middle = count / 2, late = count * 99 / 100;
    qsort(bench->times_us, count, sizeof *bench->times_us, compare_times);
    printf("%-8s %7zu %9.1f %9.2f %9.2f %7.2f %6.0f %%\n", what, clients,
           (double)bench->images * 1e6 / (double)elapsed_us, (double)bench->times_us[middle] / 1e3,
           (double)bench->times_us[late] / 1e3, (double)bench->images / (double)bench->runs,
           100.0 * (double)bench->wide_runs / (double)bench->runs);
    (void)fflush(stdout);
}

static void measure(struct bench *bench, const char *what, size_t clients, double seconds)
{
    struct client *all = calloc(clients, sizeof *all);
    const struct batcher_lane_options lane = {bench->max_batch, 0, run, bench};
    need(all, "no memory for clients");
    need(batcher_create(bench->threads, 1, clock_now_us, NULL, &bench->batcher, NULL) ==
                 STATUS_OK &&
             batcher_open_lane(bench->batcher, &lane, &bench->lane, NULL) == STATUS_OK,
         "no batcher");
    bench->is_over = false;
    bench->retired = bench->time_count = bench->images = bench->runs = bench->wide_runs = 0;
    uint64_t start_us = clock_now_us();
    for (size_t i = 0; i < clients; i++) {
        all[i].slot = slot_block_slot(&bench->block, i % bench->block.count);
        batcher_submit(bench->batcher, bench->lane, &all[i].entry);
    }
    wait_until_over(bench, seconds, clients);
    uint64_t elapsed_us = clock_now_us() - start_us;
    batcher_destroy(bench->batcher);
    print_line(bench, what, clients, elapsed_us);
    free(all);
}

static struct model *load(const char *name)
{
    static struct model_library library = {.folders = "."};
    struct catalogue *catalogue = NULL;
    struct labels *labels = NULL;
    struct model *model = NULL;
    struct model_options options = {0};
    struct error error = {0};
    need(catalogue_parse(assets_catalogue(), &catalogue, &error) == STATUS_OK &&
             labels_parse_tsv(assets_labels(), &labels, &error) == STATUS_OK,
         error.text);
    library.catalogue = catalogue;
    library.imagenet_labels = labels;
    library.demo_weights = assets_demo_weights();
    need(model_load(&library, name, &options, &model, &error) == STATUS_OK, error.text);
    return model;
}

static void prepare(struct bench *bench)
{
    size_t logits = bench->max_batch * engine_classes(bench->engine);
    for (unsigned i = 0; i < bench->threads; i++) {
        bench->logits[i] = calloc(logits, sizeof(float));
        need(bench->logits[i] && engine_scratch_create(bench->engine, bench->max_batch, 1,
                                                       &bench->narrow[i], NULL) == STATUS_OK,
             "no memory for a thread");
    }
    bench->times_us = calloc(MAX_TIMES, sizeof *bench->times_us);
    need(bench->times_us &&
             engine_scratch_create(bench->engine, bench->max_batch, bench->threads, &bench->wide,
                                   NULL) == STATUS_OK &&
             slot_block_init(bench->engine, bench->max_batch, &bench->block, NULL) == STATUS_OK,
         "no memory");
    uint64_t state = 88172645463325252U; /* noise, not zeros: xorshift64 (Marsaglia 2003) */
    for (size_t i = 0; i < bench->block.memory.size_bytes; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((uint8_t *)bench->block.memory.data)[i] = (uint8_t)(state >> 32);
    }
}

int main(int argc, char **argv)
{
    kernels_prepare_process();
    need(argc > 5, "MODEL THREADS MAX_BATCH SECONDS CLIENTS...");
    struct bench bench = {.threads = (unsigned)strtoul(argv[2], NULL, 10),
                          .max_batch = strtoul(argv[3], NULL, 10)};
    double seconds = strtod(argv[4], NULL);
    need(bench.threads >= 1 && bench.threads <= MAX_THREADS && bench.max_batch >= 1 &&
             bench.max_batch <= MAX_BATCH && seconds > 0,
         "1 to 64 threads, batches of 1 to 256, and some time");
    pthread_mutex_init(&bench.mutex, NULL);
    pthread_cond_init(&bench.changed, NULL);
    bench.engine = model_engine(load(argv[1]));
    prepare(&bench);
    printf("%-8s %7s %9s %9s %9s %7s %8s\n", "", "clients", "images/s", "p50 ms", "p99 ms", "batch",
           "wide");
    size_t max_batch = bench.max_batch;
    bench.max_batch = 1;
    measure(&bench, "wide 1", 1, seconds);
    measure(&bench, "narrow 1", 2 * bench.threads, seconds);
    bench.max_batch = max_batch;
    for (int i = 5; i < argc; i++)
        measure(&bench, "policy", strtoul(argv[i], NULL, 10), seconds);
    return EXIT_SUCCESS;
}
