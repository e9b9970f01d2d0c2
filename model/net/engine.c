#include "model/net/engine.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/base/denormals.h"
#include "model/net/plan.h"
#include "model/net/plan_replicas.h"
#include "model/net/team.h"

/* How many pieces each thread's share of a step is cut into: enough to even out a slow core, few
 * enough that the blocks of one strip mostly stay with one thread. */
enum { PIECES_A_THREAD = 4 };

struct engine {
    struct plan plan;
    struct plan_replicas replicas;
    uint32_t input_px;
    bool is_locked; /* page-lock what runs it, too */
    enum step_arithmetic arithmetic;
    const struct quantization *quantization;
};

struct engine_scratch {
    const struct engine *engine;
    size_t max_batch;
    struct team *team;
    struct region memory;    /* the buffers, then each thread's scratch */
    uint8_t **buffers;       /* [plan->buffer_count], in `memory` */
    uint8_t **walk_buffers;  /* [threads][plan->buffer_count], see struct walk */
    uint8_t *thread_scratch; /* [threads][plan->scratch_bytes] */
    struct engine_observer observer;
    atomic_size_t *next_unit; /* [step runs of a batch]: the first unit that no thread has taken */
    size_t step_runs;

    /* Of the run under way: */
    size_t images;
    const struct step_slot *slots;
};

static const char *const precisions[] = {
    [STEP_FLOAT32] = "float32", [STEP_BF16] = "bf16", [STEP_INT8] = "int8"};

static enum status choose_arithmetic(const struct engine_options *options,
                                     const struct kernel_set *set,
                                     enum step_arithmetic *ret_arithmetic, struct error *error)
{
    if (!options->precision || strcmp(options->precision, "auto") == 0) {
        *ret_arithmetic = set->preferred_arithmetic;
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++) {
        if (strcmp(options->precision, precisions[i]) != 0)
            continue;
        if (i == STEP_INT8 && !options->quantization)
            return error_set(
                error, STATUS_UNSUPPORTED,
                "int8 needs a calibrated model; make one with classifyd quantize MODEL "
                "--images DIR");
        *ret_arithmetic = (enum step_arithmetic)i;
        return STATUS_OK;
    }
    return error_set(error, STATUS_BAD_REQUEST,
                     "no precision '%s'; there are auto, float32, bf16 and int8",
                     options->precision);
}

enum status engine_create(const struct graph *graph, const struct engine_options *options,
                          struct engine **ret_engine, struct error *error)
{
    const struct kernel_set *set;
    enum status status = kernels_choose(options->kernels, &set, error);
    enum step_arithmetic arithmetic = STEP_FLOAT32;
    if (status == STATUS_OK)
        status = choose_arithmetic(options, set, &arithmetic, error);
    if (status != STATUS_OK)
        return status;
    bool is_int8 = arithmetic == STEP_INT8;
    bool is_copied = options->numa && options->numa->node_count > 0;
    struct plan_options plan_options = {.input_px = options->input_px,
                                        .arithmetic = arithmetic,
                                        .quantization = is_int8 ? options->quantization : NULL,
                                        /* What is let go again takes none of the limit. */
                                        .lock_memory = options->lock_memory && !is_copied,
                                        .images_per_pass = options->images_per_pass,
                                        .threads = options->threads,
                                        .precision = precisions[arithmetic],
                                        .cache = options->cache};
    memcpy(plan_options.mean, options->mean, sizeof plan_options.mean);
    memcpy(plan_options.std, options->std, sizeof plan_options.std);
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return error_set(error, STATUS_NO_MEMORY, "no memory for an engine");
    engine->input_px = options->input_px;
    engine->is_locked = options->lock_memory;
    engine->arithmetic = arithmetic;
    engine->quantization = plan_options.quantization;
    status = plan_init(graph, set, &plan_options, &engine->plan, error);
    if (status == STATUS_OK)
        status = plan_replicas_init(&engine->plan, options->numa, options->lock_memory,
                                    &engine->replicas, error);
    if (status != STATUS_OK) {
        engine_destroy(engine);
        return status;
    }
    *ret_engine = engine;
    return STATUS_OK;
}

void engine_destroy(struct engine *engine)
{
    if (!engine)
        return;
    plan_replicas_fini(&engine->replicas);
    plan_fini(&engine->plan);
    free(engine);
}

uint32_t engine_classes(const struct engine *engine)
{
    return engine->plan.logits->channels;
}

uint32_t engine_features(const struct engine *engine)
{
    return engine->plan.pooled->channels;
}

uint32_t engine_feature_px(const struct engine *engine)
{
    return engine->plan.feature_map->height_px;
}

uint32_t engine_input_px(const struct engine *engine)
{
    return engine->input_px;
}

bool engine_is_locked(const struct engine *engine)
{
    return engine->is_locked;
}

size_t engine_slot_bytes(const struct engine *engine, enum tensor_type type)
{
    size_t values = (size_t)engine->input_px * engine->input_px * 3;
    return values * (type == TENSOR_F32 ? sizeof(float) : 1) + ENGINE_SLOT_SLACK_BYTES;
}

const struct kernel_set *engine_kernel_set(const struct engine *engine)
{
    return engine->plan.set;
}

const char *engine_precision(const struct engine *engine)
{
    return precisions[engine->arithmetic];
}

const struct quantization *engine_quantization(const struct engine *engine)
{
    return engine->quantization;
}

const struct plan *engine_plan(const struct engine *engine)
{
    return &engine->plan;
}

void engine_memory(const struct engine *engine, size_t *ret_bytes, size_t *ret_locked_bytes)
{
    plan_replicas_memory(&engine->replicas, ret_bytes, ret_locked_bytes);
    *ret_bytes += engine->plan.packed.size_bytes;
    *ret_locked_bytes += engine->plan.packed.locked_bytes;
}

const struct numa_topology *engine_numa(const struct engine *engine)
{
    return engine->replicas.topology;
}

/* Images of a pass of a level. A large team gets more of them: a step of one image has too few
 * units for it. */
enum { MEMBERS_AN_IMAGE = 4 };

static size_t pass_images(const struct plan *plan, size_t level, unsigned threads, size_t images)
{
    size_t shared = (threads + MEMBERS_AN_IMAGE - 1) / MEMBERS_AN_IMAGE;
    size_t wanted = level == PLAN_WHOLE_BATCH ? images : plan->levels[level].images * shared;
    return wanted < images ? wanted : images;
}

/* How often steps run in a batch of `images`, over all passes of level `level` and those within. */
static size_t count_step_runs(const struct plan *plan, size_t level, unsigned threads,
                              size_t images)
{
    size_t pass = pass_images(plan, level, threads, images), runs = 0;
    for (size_t first = 0; first < images; first += pass) {
        size_t count = images - first < pass ? images - first : pass;
        runs += plan->levels[level].step_count;
        if (level > 0)
            runs += count_step_runs(plan, level - 1, threads, count);
    }
    return runs;
}

/* Over which nodes the team of a caller like this one is to be spread; NULL: it stays with him. */
static const struct numa_topology *spread_of_caller(const struct engine *engine)
{
    const struct numa_topology *topology = engine_numa(engine);
    struct numa_cpus own;
    if (!topology)
        return NULL;
    numa_affinity(&own);
    return numa_topology_is_on_one(topology, &own) ? NULL : topology;
}

static enum status scratch_init(struct engine_scratch *scratch, unsigned threads,
                                struct error *error)
{
    const struct plan *plan = &scratch->engine->plan;
    size_t bytes, total = 0;
    for (size_t i = 0; i < plan->buffer_count; i++)
        if (!checked_mul(plan->buffers[i].image_bytes,
                         pass_images(plan, plan->buffers[i].level, threads, scratch->max_batch),
                         &bytes) ||
            !checked_add(total, bytes, &total))
            return error_set(error, STATUS_NO_MEMORY, "a batch of %zu images does not fit memory",
                             scratch->max_batch);
    size_t buffers_bytes = total;
    if (!checked_mul(plan->scratch_bytes, threads, &bytes) || !checked_add(total, bytes, &total))
        return error_set(error, STATUS_NO_MEMORY, "%u threads do not fit memory", threads);
    scratch->buffers = alloc_array(plan->buffer_count, sizeof *scratch->buffers, SIZE_MAX / 2);
    if (checked_mul(plan->buffer_count, threads, &bytes))
        scratch->walk_buffers = alloc_array(bytes, sizeof *scratch->walk_buffers, SIZE_MAX / 2);
    if (!scratch->buffers || !scratch->walk_buffers)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the buffers of %u threads",
                         threads);
    enum status status = region_init(total, scratch->engine->is_locked, &scratch->memory, error);
    if (status != STATUS_OK)
        return status;
    uint8_t *at = scratch->memory.data;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        scratch->buffers[i] = at;
        at += plan->buffers[i].image_bytes *
              pass_images(plan, plan->buffers[i].level, threads, scratch->max_batch);
    }
    scratch->thread_scratch = (uint8_t *)scratch->memory.data + buffers_bytes;
    scratch->step_runs = count_step_runs(plan, plan->level_count - 1, threads, scratch->max_batch);
    scratch->next_unit = alloc_array(scratch->step_runs, sizeof *scratch->next_unit, SIZE_MAX / 2);
    if (!scratch->next_unit)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu counters", scratch->step_runs);
    return team_create(threads, spread_of_caller(scratch->engine), &scratch->team, error);
}

enum status engine_scratch_create(const struct engine *engine, size_t max_batch, unsigned threads,
                                  struct engine_scratch **ret_scratch, struct error *error)
{
    struct engine_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return error_set(error, STATUS_NO_MEMORY, "no memory to run an engine");
    scratch->engine = engine;
    scratch->max_batch = max_batch;
    enum status status = scratch_init(scratch, threads, error);
    if (status != STATUS_OK) {
        engine_scratch_destroy(scratch);
        return status;
    }
    *ret_scratch = scratch;
    return STATUS_OK;
}

void engine_scratch_destroy(struct engine_scratch *scratch)
{
    if (!scratch)
        return;
    team_destroy(scratch->team);
    region_fini(&scratch->memory);
    free(scratch->next_unit);
    free(scratch->walk_buffers);
    free(scratch->buffers);
    free(scratch);
}

void engine_scratch_observe(struct engine_scratch *scratch, struct engine_observer observer)
{
    scratch->observer = observer;
}

void engine_scratch_memory(const struct engine_scratch *scratch, size_t *ret_bytes,
                           size_t *ret_locked_bytes)
{
    *ret_bytes = scratch->memory.size_bytes;
    *ret_locked_bytes = scratch->memory.locked_bytes;
}

/* One member's walk over the plan. All walk alike; at each step they share the units. */
struct walk {
    struct engine_scratch *scratch;
    struct team *team;
    unsigned member;
    size_t step_run;          /* index into next_unit */
    const struct step *steps; /* with the weights that are near */
    /* As if each buffer held the whole batch: moved so far back that the images of the pass under
     * way lie where its first images do. */
    uint8_t **buffers; /* [plan->buffer_count] */
};

static void share_units(struct walk *walk, const struct step_run *run)
{
    struct engine_scratch *scratch = walk->scratch;
    const struct kernel *kernel = run->step->kernel;
    size_t units = kernel->units(run->step, run->images);
    size_t members = team_size(walk->team);
    size_t piece = members == 1 ? units : units / (members * PIECES_A_THREAD);
    uint8_t *own = scratch->thread_scratch + walk->member * scratch->engine->plan.scratch_bytes;
    piece = piece ? piece : 1;
    atomic_size_t *next = &scratch->next_unit[walk->step_run];
    uint64_t before = denormals_flush(); /* not for observers, nor for the caller afterwards */
    for (;;) {
        size_t first = atomic_fetch_add_explicit(next, piece, memory_order_relaxed);
        if (first >= units)
            break;
        kernel->run(run, first, first + piece < units ? first + piece : units, own);
    }
    denormals_restore(before);
}

static void run_step(struct walk *walk, size_t step, size_t first_image, size_t images)
{
    struct engine_scratch *scratch = walk->scratch;
    const struct step_run own = {.step = &walk->steps[step],
                                 .buffers = walk->buffers,
                                 .slots = scratch->slots + first_image,
                                 .first_image = first_image,
                                 .images = images};
    struct step_run run = own; /* as an observer knows it */
    run.step = &scratch->engine->plan.steps[step];
    const struct engine_observer *observer = &scratch->observer;
    if (observer->step_start) {
        if (walk->member == 0)
            observer->step_start(observer->user, &run);
        team_barrier(walk->team);
    }
    uint64_t start_us = observer->step_done && walk->member == 0 ? clock_now_us() : 0;
    share_units(walk, &own);
    walk->step_run++;
    team_barrier(walk->team);
    if (!observer->step_done)
        return;
    if (walk->member == 0)
        observer->step_done(observer->user, &run, clock_now_us() - start_us);
    team_barrier(walk->team);
}

/* Moves the buffers of a level to a pass that begins with `first_image`. */
static void move_buffers(struct walk *walk, size_t level, size_t first_image)
{
    const struct plan *plan = &walk->scratch->engine->plan;
    for (size_t i = 0; i < plan->buffer_count; i++)
        if (plan->buffers[i].level == level)
            walk->buffers[i] =
                walk->scratch->buffers[i] - first_image * plan->buffers[i].image_bytes;
}

static void run_level(struct walk *walk, size_t level, size_t first_image, size_t images)
{
    const struct plan *plan = &walk->scratch->engine->plan;
    size_t pass = pass_images(plan, level, team_size(walk->team), images);
    for (size_t done = 0; done < images; done += pass) {
        size_t count = images - done < pass ? images - done : pass;
        move_buffers(walk, level, first_image + done);
        if (level > 0)
            run_level(walk, level - 1, first_image + done, count);
        for (size_t i = 0; i < plan->levels[level].step_count; i++)
            run_step(walk, plan->levels[level].first_step + i, first_image + done, count);
    }
}

static void run_member(void *user, struct team *team, unsigned member)
{
    struct engine_scratch *scratch = user;
    const struct plan *plan = &scratch->engine->plan;
    struct walk walk = {.scratch = scratch,
                        .team = team,
                        .member = member,
                        .buffers = scratch->walk_buffers + member * plan->buffer_count,
                        .steps = plan_replicas_steps(&scratch->engine->replicas)};
    move_buffers(&walk, PLAN_WHOLE_BATCH, 0);
    run_level(&walk, plan->level_count - 1, 0, scratch->images);
}

/* Copies `tensor` of each image to `out` as dense [images, h, w, c]. */
static void copy_out(const struct engine_scratch *scratch, const struct tensor *tensor,
                     size_t images, float *out)
{
    for (size_t i = 0; i < images && out; i++)
        for (uint32_t y = 0; y < tensor->height_px; y++) {
            const float *row = tensor_row_f32(tensor, scratch->buffers, i, y);
            for (uint32_t x = 0; x < tensor->width_px; x++, out += tensor->channels)
                memcpy(out, row + x * tensor->pixel_stride, tensor->channels * sizeof *out);
        }
}

void engine_run(const struct engine *engine, struct engine_scratch *scratch, size_t images,
                const struct step_slot *slots, const struct engine_outputs *outputs)
{
    scratch->images = images;
    scratch->slots = slots;
    for (size_t i = 0; i < scratch->step_runs; i++)
        atomic_store_explicit(&scratch->next_unit[i], 0, memory_order_relaxed);
    team_run(scratch->team, run_member, scratch);
    copy_out(scratch, engine->plan.logits, images, outputs->logits);
    copy_out(scratch, engine->plan.pooled, images, outputs->pooled);
    copy_out(scratch, engine->plan.feature_map, images, outputs->feature_map);
}
