/* Where a batch's time goes, layer by layer, and what bounds each. */
#ifndef CLASSIFYD_SERVER_COMMANDS_BENCH_PROFILE_H
#define CLASSIFYD_SERVER_COMMANDS_BENCH_PROFILE_H

#include "model/net/engine.h"
#include "server/commands/bench_peaks.h"

enum { BENCH_PROFILE_STAGE_BYTES = 24, BENCH_PROFILE_SHAPE_BYTES = 64 };

struct bench_profile_layer {
    const struct step *step;
    char stage[BENCH_PROFILE_STAGE_BYTES]; /* "stem", "layer1", "head" */
    char shape[BENCH_PROFILE_SHAPE_BYTES]; /* "3x3/2 128>256 28x28": kernel, channels, output */
    enum burst_arithmetic arithmetic;
    uint64_t macs;       /* of the batch, as the graph counts them: Winograd does with fewer */
    uint64_t operations; /* two a MAC; of a pooling one an input that it looks at */
    uint64_t bytes;      /* inputs, weights and output, each once: what must be moved at least */
    double time_us;      /* median over the runs */
    double share;        /* of the layers' time */
    double peak_share;   /* of the machine's peak for that arithmetic */
    const char *bound; /* "compute", or the level of memory that the bytes come from: the longer */
};

struct bench_profile_stage {
    const char *name; /* borrowed from a layer */
    uint64_t macs;
    double time_us, share;
};

struct bench_profile {
    struct bench_peaks peaks;
    size_t batch;
    unsigned threads;
    const struct step *steps; /* borrowed: the engine's plan */
    size_t layer_count;
    struct bench_profile_layer *layers; /* in the order that they run */
    size_t stage_count;
    struct bench_profile_stage *stages; /* [layer_count] of room */
    double time_us;                     /* of all layers: the sum of their medians */
    double run_us_median;               /* of a run, all layers together */
    size_t runs;
    uint64_t *run_us;   /* [layer_count], of the run under way */
    uint32_t *total_us; /* [most runs] */
    uint32_t *times_us; /* [most runs, layer_count] */
};

/* For batches of that size run by so many threads; with peaks of the CPUs that these have. The
 * engine must outlive it. Fails with STATUS_NO_MEMORY. To be ended with bench_profile_fini, also
 * after a failure. */
MUST_CHECK enum status bench_profile_init(struct bench_profile *profile,
                                          const struct engine *engine, size_t batch,
                                          unsigned threads, const struct bench_peaks *peaks,
                                          struct error *error);
/* Accepts a zeroed profile. */
void bench_profile_fini(struct bench_profile *profile);

/* To be given to a scratch; bench_profile_end_run after each run. */
struct engine_observer bench_profile_observer(struct bench_profile *profile);
void bench_profile_end_run(struct bench_profile *profile);

/* Medians, shares, bounds and totals, after the last run. */
void bench_profile_finish(struct bench_profile *profile);

#endif
