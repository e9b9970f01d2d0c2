/* The engine alone, run again and again on images that are in memory. */
#ifndef CLASSIFYD_SERVER_COMMANDS_BENCH_ENGINE_H
#define CLASSIFYD_SERVER_COMMANDS_BENCH_ENGINE_H

#include "model/model.h"
#include "model/net/slot_block.h"
#include "server/commands/bench_profile.h"

struct bench_engine_options {
    const struct model *model; /* borrowed; must outlive the bench */
    size_t largest_batch;
    uint64_t duration_us; /* of a measurement; three runs at least */
    const char *images;   /* a folder of photographs, prepared by the model's recipe; NULL: noise */
};

/* What all measurements share. */
struct bench_engine {
    struct bench_engine_options options;
    uint64_t image_macs;
    size_t photograph_count; /* 0: noise */
    struct slot_block block; /* a slot an image of the largest batch */
    struct step_slot *slots; /* [largest batch] */
    uint64_t *times_us;      /* [most runs] */
};

/* One batch size on one number of threads. */
struct bench_engine_result {
    size_t batch;
    unsigned threads;
    size_t runs;
    double images_per_second; /* of the median run */
    uint64_t p50_us, p99_us;  /* of a whole batch */
    double gmac_per_second;
};

/* Fails with STATUS_NO_MEMORY, and as photographs_init and image_prepare. To be ended with
 * bench_engine_fini, also after a failure. One thread at a time. */
MUST_CHECK enum status bench_engine_init(struct bench_engine *bench,
                                         const struct bench_engine_options *options,
                                         struct error *error);
void bench_engine_fini(struct bench_engine *bench);

/* Blocks for the duration. The first run, which touches the memory, does not count. `profile` (or
 * NULL) is told of every step; looking on costs a few microseconds a step. Fails with
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status bench_engine_measure(struct bench_engine *bench, size_t batch,
                                            unsigned threads, struct bench_profile *profile,
                                            struct bench_engine_result *ret_result,
                                            struct error *error);

#endif
