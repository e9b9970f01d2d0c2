#include "server/commands/bench_engine.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/image/prepare.h"
#include "server/commands/photographs.h"

enum { MIN_RUNS = 3, MAX_RUNS = 1 << 20 };

static int compare_times(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The smallest of the sorted times that `percent` of them do not exceed. */
static uint64_t percentile(const uint64_t *times_us, size_t count, size_t percent)
{
    return times_us[(count * percent + 99) / 100 - 1];
}

/* xorshift64 (Marsaglia 2003): any noise will do, the same every time. */
static void fill_noise(uint8_t *bytes, size_t size)
{
    uint64_t state = 88172645463325252U;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)(state >> 32);
    }
}

static uint64_t count_macs(const struct model *model)
{
    const struct graph *graph = model_graph(model);
    struct graph_layer_cost *costs = alloc_array(graph->layer_count, sizeof *costs, SIZE_MAX);
    uint64_t macs = 0;
    if (!costs)
        return 0;
    graph_costs(graph, model_recipe(model)->crop_px, costs);
    for (size_t i = 0; i < graph->layer_count; i++)
        macs += costs[i].macs;
    free(costs);
    return macs;
}

static enum status prepare_slots(struct bench_engine *bench, const struct photographs *photographs,
                                 struct error *error)
{
    const struct recipe *recipe = model_recipe(bench->options.model);
    const struct image_prepare_options prepare = {.limits = image_prepare_default_limits,
                                                  .resize_px = recipe->resize_px,
                                                  .crop_px = recipe->crop_px,
                                                  .orient = true};
    for (size_t i = 0; i < bench->block.count; i++) {
        const struct photograph *photograph = &photographs->files[i % photographs->count];
        struct image_info info;
        enum status status =
            image_prepare(&prepare, (struct span){photograph->data, photograph->size_bytes},
                          slot_block_pixels(&bench->block, i), &info, NULL, error);
        if (status) {
            error_prefix(error, "%s", photograph->path);
            return status;
        }
    }
    return STATUS_OK;
}

static enum status fill_photographs(struct bench_engine *bench, struct error *error)
{
    struct photographs photographs;
    enum status status =
        photographs_init(&photographs, bench->options.images, bench->block.count, error);
    if (!status)
        status = prepare_slots(bench, &photographs, error);
    bench->photograph_count = photographs.count;
    photographs_fini(&photographs);
    return status;
}

enum status bench_engine_init(struct bench_engine *bench,
                              const struct bench_engine_options *options, struct error *error)
{
    size_t largest = options->largest_batch;
    *bench =
        (struct bench_engine){.options = *options,
                              .image_macs = count_macs(options->model),
                              .slots = alloc_array(largest, sizeof *bench->slots, SIZE_MAX),
                              .times_us = alloc_array(MAX_RUNS, sizeof *bench->times_us, SIZE_MAX)};
    if (!bench->slots || !bench->times_us)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", largest);
    enum status status =
        slot_block_init(model_engine(options->model), largest, &bench->block, error);
    if (status)
        return status;
    for (size_t i = 0; i < largest; i++)
        bench->slots[i] = slot_block_slot(&bench->block, i);
    if (options->images)
        return fill_photographs(bench, error);
    fill_noise(bench->block.memory.data, bench->block.memory.size_bytes);
    return STATUS_OK;
}

void bench_engine_fini(struct bench_engine *bench)
{
    free(bench->times_us);
    free(bench->slots);
    slot_block_fini(&bench->block);
}

/* Runs until the time is over, and not less than MIN_RUNS times. */
static size_t run_many(struct bench_engine *bench, struct engine_scratch *scratch, size_t batch,
                       struct bench_profile *profile, float *logits)
{
    const struct engine *engine = model_engine(bench->options.model);
    const struct engine_outputs outputs = {.logits = logits};
    engine_run(engine, scratch, batch, bench->slots, &outputs);
    if (profile)
        engine_scratch_observe(scratch, bench_profile_observer(profile));
    uint64_t start_us = clock_now_us(), now_us = start_us;
    size_t runs = 0;
    while (runs < MIN_RUNS || (runs < MAX_RUNS && now_us - start_us < bench->options.duration_us)) {
        uint64_t before_us = now_us;
        engine_run(engine, scratch, batch, bench->slots, &outputs);
        now_us = clock_now_us();
        bench->times_us[runs++] = now_us - before_us;
        if (profile)
            bench_profile_end_run(profile);
    }
    return runs;
}

enum status bench_engine_measure(struct bench_engine *bench, size_t batch, unsigned threads,
                                 struct bench_profile *profile,
                                 struct bench_engine_result *ret_result, struct error *error)
{
    const struct engine *engine = model_engine(bench->options.model);
    struct engine_scratch *scratch;
    enum status status = engine_scratch_create(engine, batch, threads, &scratch, error);
    if (status)
        return status;
    float *logits = alloc_array(batch, engine_classes(engine) * sizeof(float), SIZE_MAX);
    if (!logits) {
        engine_scratch_destroy(scratch);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", batch);
    }
    size_t runs = run_many(bench, scratch, batch, profile, logits);
    free(logits);
    engine_scratch_destroy(scratch);

    qsort(bench->times_us, runs, sizeof *bench->times_us, compare_times);
    uint64_t p50_us = percentile(bench->times_us, runs, 50);
    double rate = p50_us ? (double)batch * 1e6 / (double)p50_us : 0;
    *ret_result =
        (struct bench_engine_result){.batch = batch,
                                     .threads = threads,
                                     .runs = runs,
                                     .images_per_second = rate,
                                     .p50_us = p50_us,
                                     .p99_us = percentile(bench->times_us, runs, 99),
                                     .gmac_per_second = rate * (double)bench->image_macs / 1e9};
    return STATUS_OK;
}
