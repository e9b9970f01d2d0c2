/* Our side of a comparison: runs the engine for a moment whenever it is told to.
 *
 * engine_turns MODEL KERNELS PRECISION BATCH THREADS IMAGES
 *
 * Prints "ready VERSION CLASS,CLASS,..." (the first class of each image), then answers lines of
 * standard input: "burst" with what a short burst of float32 FMA reached, in GFLOP/s, so that the
 * one who asks knows in which state the machine is; "run MS" with how many batches were run in at
 * least that time, and the microseconds that they took. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/clock.h"
#include "model/kernels/burst.h"
#include "server/commands/bench_engine.h"
#include "server/commands/library.h"

enum { BURST_US = 2000, MAX_BATCH = 256, MAX_THREADS = 64 };

static void need(bool is_met, const char *what)
{
    if (is_met)
        return;
    (void)fprintf(stderr, "engine_turns: %s\n", what);
    exit(EXIT_FAILURE);
}

/* What takes about BURST_US while nothing disturbs. */
static size_t size_burst(const struct burst *burst)
{
    double rounds_per_us = burst_measure(burst, 50000) / (double)burst->round_operations / 1e6;
    return (size_t)(rounds_per_us * BURST_US) + 1;
}

static void answer_burst(const struct burst *burst, size_t rounds)
{
    struct burst_data data;
    burst_data_init(&data);
    uint64_t start_us = clock_now_us();
    burst->run(&data, rounds);
    uint64_t took_us = clock_now_us() - start_us;
    printf("%.2f\n", (double)(rounds * burst->round_operations) / (double)took_us / 1e3);
}

static void print_classes(const float *logits, size_t images, size_t classes)
{
    for (size_t i = 0; i < images; i++) {
        const float *own = logits + i * classes;
        size_t best = 0;
        for (size_t id = 1; id < classes; id++)
            best = own[id] > own[best] ? id : best;
        printf("%s%zu", i ? "," : "", best);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    kernels_prepare_process();
    need(argc == 7, "MODEL KERNELS PRECISION BATCH THREADS IMAGES");
    size_t batch = strtoul(argv[4], NULL, 10), threads = strtoul(argv[5], NULL, 10);
    need(batch >= 1 && batch <= MAX_BATCH && threads >= 1 && threads <= MAX_THREADS,
         "a batch of 1 to 256 on 1 to 64 threads");
    struct library library;
    struct model *model = NULL;
    struct error error = {0};
    const struct model_options options = {.engine = {.kernels = argv[2], .precision = argv[3]}};
    need(library_init_from(&library, NULL, NULL, &error) == STATUS_OK &&
             model_load(&library.view, argv[1], &options, &model, &error) == STATUS_OK,
         error.text);
    const struct engine *engine = model_engine(model);
    struct bench_engine bench;
    struct engine_scratch *scratch = NULL;
    const struct bench_engine_options bench_options = {
        .model = model, .largest_batch = batch, .images = argv[6]};
    need(bench_engine_init(&bench, &bench_options, &error) == STATUS_OK &&
             engine_scratch_create(engine, batch, (unsigned)threads, &scratch, &error) == STATUS_OK,
         error.text);
    size_t classes = engine_classes(engine);
    float *logits = calloc(batch * classes, sizeof *logits);
    need(logits, "no memory");
    const struct engine_outputs outputs = {.logits = logits};
    const struct burst *burst = burst_find(BURST_F32);
    size_t rounds = size_burst(burst);
    engine_run(engine, scratch, batch, bench.slots, &outputs);
    printf("ready %s/%s ", engine_kernel_set(engine)->name, engine_precision(engine));
    print_classes(logits, batch, classes);
    (void)fflush(stdout);

    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "run ", 4) == 0) {
            uint64_t wanted_us = strtoul(line + 4, NULL, 10) * 1000, took_us = 0;
            uint64_t start_us = clock_now_us();
            size_t runs = 0;
            do {
                engine_run(engine, scratch, batch, bench.slots, &outputs);
                runs++;
                took_us = clock_now_us() - start_us;
            } while (took_us < wanted_us);
            printf("%zu %" PRIu64 "\n", runs, took_us);
        } else {
            answer_burst(burst, rounds);
        }
        (void)fflush(stdout);
    }
    free(logits);
    engine_scratch_destroy(scratch);
    bench_engine_fini(&bench);
    model_destroy(model);
    library_fini(&library);
    return EXIT_SUCCESS;
}
