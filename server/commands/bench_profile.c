#include "server/commands/bench_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

enum { MAX_RUNS = 1024 };

static uint64_t tensor_bytes(const struct tensor *tensor)
{
    return tensor ? (uint64_t)tensor->height_px * tensor->width_px * tensor->channels *
                        tensor_element_bytes(tensor->type)
                  : 0;
}

static uint64_t count_macs(const struct step *step)
{
    uint64_t outputs =
        (uint64_t)step->output->height_px * step->output->width_px * step->output->channels;
    uint64_t depth = step->input->channels;
    if (step->op == STEP_CONV || step->op == STEP_CONV_INPUT)
        depth = depth / (step->groups ? step->groups : 1) * step->kernel_px * step->kernel_px;
    else if (step->op != STEP_LINEAR)
        return 0;
    return outputs * (depth + (step->projection ? step->projection->channels : 0));
}

/* One an input that a pooling looks at, so that it has a speed at all. */
static uint64_t count_operations(const struct step *step)
{
    const struct tensor *in = step->input, *out = step->output;
    if (step->op == STEP_MAX_POOL)
        return (uint64_t)out->height_px * out->width_px * out->channels * step->kernel_px *
               step->kernel_px;
    if (step->op == STEP_AVERAGE_POOL)
        return (uint64_t)in->height_px * in->width_px * in->channels;
    return 2 * count_macs(step);
}

static enum burst_arithmetic find_arithmetic(const struct step *step)
{
    static const enum burst_arithmetic arithmetics[] = {
        [STEP_FLOAT32] = BURST_F32, [STEP_BF16] = BURST_BF16, [STEP_INT8] = BURST_INT8};
    return arithmetics[step->arithmetic];
}

static void describe_shape(const struct step *step, char *ret_shape)
{
    const struct tensor *out = step->output;
    char kernel[32] = "", projection[32] = "";
    if (step->kernel_px > 0)
        (void)snprintf(kernel, sizeof kernel, "%ux%u", step->kernel_px, step->kernel_px);
    if (step->stride_px > 1)
        (void)snprintf(kernel + strlen(kernel), sizeof kernel - strlen(kernel), "/%u",
                       step->stride_px);
    if (step->projection)
        (void)snprintf(projection, sizeof projection, "+%u", step->projection->channels);
    (void)snprintf(ret_shape, BENCH_PROFILE_SHAPE_BYTES, "%s%s%u%s>%u %ux%u", kernel,
                   *kernel ? " " : "", step->input->channels, projection, out->channels,
                   out->height_px, out->width_px);
}

/* "layer2" of "layer2.0.conv1"; what stands before the first such is the stem, behind the last the
 * head. */
static void name_stage(const struct step *step, bool is_behind, char *ret_stage)
{
    size_t length = strcspn(step->name, ".");
    bool is_layer = step->name[length] == '.';
    (void)snprintf(ret_stage, BENCH_PROFILE_STAGE_BYTES, "%.*s", (int)(is_layer ? length : 4),
                   is_layer    ? step->name
                   : is_behind ? "head"
                               : "stem");
}

static void describe_layers(struct bench_profile *profile)
{
    bool is_behind = false;
    for (size_t i = 0; i < profile->layer_count; i++) {
        const struct step *step = &profile->steps[i];
        struct bench_profile_layer *layer = &profile->layers[i];
        uint64_t moved = tensor_bytes(step->input) + tensor_bytes(step->output) +
                         tensor_bytes(step->residual) + tensor_bytes(step->projection);
        *layer = (struct bench_profile_layer){.step = step,
                                              .arithmetic = find_arithmetic(step),
                                              .macs = count_macs(step) * profile->batch,
                                              .operations = count_operations(step) * profile->batch,
                                              .bytes = moved * profile->batch + step->packed_bytes};
        describe_shape(step, layer->shape);
        name_stage(step, is_behind, layer->stage);
        is_behind = is_behind || strchr(step->name, '.');
    }
}

enum status bench_profile_init(struct bench_profile *profile, const struct engine *engine,
                               size_t batch, unsigned threads, const struct bench_peaks *peaks,
                               struct error *error)
{
    const struct plan *plan = engine_plan(engine);
    size_t count = plan->step_count;
    *profile = (struct bench_profile){
        .peaks = *peaks,
        .batch = batch,
        .threads = threads,
        .steps = plan->steps,
        .layer_count = count,
        .layers = alloc_array(count, sizeof *profile->layers, SIZE_MAX),
        .stages = alloc_array(count, sizeof *profile->stages, SIZE_MAX),
        .run_us = alloc_array(count, sizeof *profile->run_us, SIZE_MAX),
        .total_us = alloc_array(MAX_RUNS, sizeof *profile->total_us, SIZE_MAX),
        .times_us = alloc_array(count, MAX_RUNS * sizeof *profile->times_us, SIZE_MAX)};
    if (!profile->layers || !profile->stages || !profile->run_us || !profile->total_us ||
        !profile->times_us)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a profile");
    describe_layers(profile);
    return STATUS_OK;
}

void bench_profile_fini(struct bench_profile *profile)
{
    free(profile->layers);
    free(profile->stages);
    free(profile->run_us);
    free(profile->total_us);
    free(profile->times_us);
    *profile = (struct bench_profile){0};
}

/* A step may run more than once a batch: some images at a time. */
static void step_done(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    struct bench_profile *profile = user;
    profile->run_us[run->step - profile->steps] += elapsed_us;
}

struct engine_observer bench_profile_observer(struct bench_profile *profile)
{
    return (struct engine_observer){.step_done = step_done, .user = profile};
}

static uint32_t cut_us(uint64_t us)
{
    return (uint32_t)(us < UINT32_MAX ? us : UINT32_MAX);
}

void bench_profile_end_run(struct bench_profile *profile)
{
    uint64_t total_us = 0;
    for (size_t i = 0; i < profile->layer_count && profile->runs < MAX_RUNS; i++) {
        total_us += profile->run_us[i];
        profile->times_us[profile->runs * profile->layer_count + i] = cut_us(profile->run_us[i]);
    }
    if (profile->runs < MAX_RUNS)
        profile->total_us[profile->runs++] = cut_us(total_us);
    memset(profile->run_us, 0, profile->layer_count * sizeof *profile->run_us);
}

static int compare_times(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Sorts them. */
static double median_us(uint32_t *times_us, size_t count)
{
    qsort(times_us, count, sizeof *times_us, compare_times);
    return count ? times_us[count / 2] : 0;
}

static double layer_median_us(const struct bench_profile *profile, size_t layer)
{
    uint32_t times_us[MAX_RUNS] = {0};
    for (size_t run = 0; run < profile->runs; run++)
        times_us[run] = profile->times_us[run * profile->layer_count + layer];
    return median_us(times_us, profile->runs);
}

static void judge(const struct bench_peaks *peaks, struct bench_profile_layer *layer)
{
    double peak = bench_peaks_operations(peaks, layer->arithmetic);
    const struct bench_peaks_level *level = bench_peaks_level_of(peaks, layer->bytes);
    double compute_s = (double)layer->operations / peak;
    double move_s = (double)layer->bytes / level->bytes_per_second;
    layer->bound = compute_s >= move_s ? "compute" : level->name;
    if (layer->time_us > 0)
        layer->peak_share = compute_s * 1e6 / layer->time_us;
}

static void add_to_stage(struct bench_profile *profile, const struct bench_profile_layer *layer)
{
    size_t last = profile->stage_count;
    if (last == 0 || strcmp(profile->stages[last - 1].name, layer->stage) != 0)
        profile->stages[profile->stage_count++] =
            (struct bench_profile_stage){.name = layer->stage};
    struct bench_profile_stage *stage = &profile->stages[profile->stage_count - 1];
    stage->macs += layer->macs;
    stage->time_us += layer->time_us;
    stage->share += layer->share;
}

void bench_profile_finish(struct bench_profile *profile)
{
    profile->time_us = 0;
    profile->run_us_median = median_us(profile->total_us, profile->runs);
    profile->stage_count = 0;
    for (size_t i = 0; i < profile->layer_count; i++) {
        profile->layers[i].time_us = layer_median_us(profile, i);
        profile->time_us += profile->layers[i].time_us;
    }
    for (size_t i = 0; i < profile->layer_count; i++) {
        struct bench_profile_layer *layer = &profile->layers[i];
        layer->share = profile->time_us > 0 ? layer->time_us / profile->time_us : 0;
        judge(&profile->peaks, layer);
        add_to_stage(profile, layer);
    }
}
