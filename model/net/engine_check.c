#include "model/net/engine_check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/net/fold.h"
#include "model/net/recompute.h"
#include "model/net/slot_block.h"

struct sample {
    struct recompute_place place;
    float residual; /* before the step */
};

struct check {
    const struct engine *engine;
    const struct graph *graph;
    struct engine_scratch *scratch;
    size_t batch;
    struct slot_block block;
    struct step_slot *slots; /* [batch] */
    float *logits;           /* [batch, classes], then one image's again */
    bool *wanted;            /* [channels of the widest step]: those that samples are of */
    uint64_t random;
    struct engine_check_report report;
    enum status status;
    struct error *error;

    /* Of the step under way: */
    struct step_run run;
    bool is_sampled; /* of the passes that a batch takes through a step, one is looked at */
    struct sample samples[ENGINE_CHECK_OUTPUTS];
};

/* xorshift64 (Marsaglia 2003), from a fixed start: a machine that passes does so each time. */
static uint64_t draw(struct check *check)
{
    check->random ^= check->random << 13;
    check->random ^= check->random >> 7;
    check->random ^= check->random << 17;
    return check->random >> 11;
}

static uint32_t draw_below(struct check *check, size_t bound)
{
    return (uint32_t)(draw(check) % bound);
}

/* Sample `index`: a random pixel; channels one from each of as many even parts as there are
 * samples, so that all blocks of a kernel are met. */
static struct recompute_place choose_place(struct check *check, const struct step_run *run,
                                           uint32_t index)
{
    const struct tensor *output = run->step->output;
    struct recompute_place place = {
        .image = run->first_image + draw_below(check, run->images),
        .y = draw_below(check, output->height_px),
        .x = draw_below(check, output->width_px),
        .channel = draw_below(check, output->channels),
    };
    if (output->channels >= ENGINE_CHECK_OUTPUTS) {
        uint32_t part = output->channels / ENGINE_CHECK_OUTPUTS;
        place.channel = index * part + draw_below(check, part);
    }
    if (index == 0)
        return (struct recompute_place){.image = run->first_image};
    if (index == ENGINE_CHECK_OUTPUTS - 1)
        return (struct recompute_place){run->first_image + run->images - 1, output->height_px - 1,
                                        output->width_px - 1, output->channels - 1};
    return place;
}

static void start_step(void *user, const struct step_run *run)
{
    struct check *check = user;
    size_t step_index = (size_t)(run->step - engine_plan(check->engine)->steps);
    size_t image = step_index % check->batch;
    check->is_sampled = check->status == STATUS_OK && image >= run->first_image &&
                        image - run->first_image < run->images;
    check->run = *run;
    for (uint32_t i = 0; i < ENGINE_CHECK_OUTPUTS && check->is_sampled; i++) {
        struct sample *sample = &check->samples[i];
        sample->place = choose_place(check, run, i);
        sample->residual = run->step->residual
                               ? recompute_element(run->step->residual, run->buffers, sample->place)
                               : 0.0f;
    }
}

/* Sums of terms as large as this may overflow on their way, through Winograd's transforms too. */
static const double overflowing = (double)FLT_MAX / 4096;

/* What steps lose that take denormals for zero (denormals.h), each product of up to a million. */
static const double flushed = (double)FLT_MIN * (1 << 20);

static enum status compare_sample(struct check *check, const struct step_weights *weights,
                                  const struct sample *sample)
{
    const struct step *step = check->run.step;
    const struct recompute_place *place = &sample->place;
    struct recompute_result expected =
        recompute_output(&check->run, weights, *place, sample->residual);
    double found = (double)recompute_element(step->output, check->run.buffers, *place);
    if (!isfinite(found) && !(expected.magnitude <= overflowing))
        return error_set(check->error, STATUS_BAD_MODEL,
                         "layer %s gives values that are not finite numbers: what it adds up "
                         "overflows float32; is the file damaged?",
                         step->name);
    double allowed = expected.magnitude * ENGINE_CHECK_TOLERANCE + flushed +
                     recompute_rounding(step->output, expected.value);
    double deviation = fabs(found - expected.value);
    if (!(deviation <= allowed)) /* as it must be for a NaN */
        return error_set(check->error, STATUS_INTERNAL,
                         "layer %s computes wrongly: channel %u at row %u, column %u of image %zu "
                         "is %.9g, recomputed %.9g (kernel %s); try other kernels, or test this "
                         "machine's memory",
                         step->name, place->channel, place->y, place->x, place->image, found,
                         expected.value, step->kernel->name);
    check->report.outputs++;
    double share = deviation / allowed;
    if (share > check->report.worst_output) {
        check->report.worst_output = share;
        memcpy(check->report.worst_layer, step->name, sizeof step->name);
    }
    return STATUS_OK;
}

static bool has_weights(const struct step *step)
{
    return step->op != STEP_MAX_POOL && step->op != STEP_AVERAGE_POOL;
}

static void end_step(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    struct check *check = user;
    const struct step *step = run->step;
    if (!check->is_sampled)
        return;
    struct fold_step folded = {0};
    memset(check->wanted, 0, step->output->channels * sizeof *check->wanted);
    for (size_t i = 0; i < ENGINE_CHECK_OUTPUTS; i++)
        check->wanted[check->samples[i].place.channel] = true;
    if (has_weights(step))
        check->status = fold_step_init(check->graph, step->layer, step->projection, check->wanted,
                                       &folded, check->error);
    const float *scale = folded.bias ? quantization_apply(engine_quantization(check->engine),
                                                          step->name, folded.bias)
                                     : NULL;
    const struct step_weights weights = {folded.weight, folded.bias, folded.projection, scale};
    if (folded.bias && check->status == STATUS_OK)
        recompute_round_weights(step, &weights, check->wanted, folded.weight, folded.projection);
    for (size_t i = 0; i < ENGINE_CHECK_OUTPUTS && check->status == STATUS_OK; i++)
        check->status = compare_sample(check, &weights, &check->samples[i]);
    fold_step_fini(&folded);
}

static enum status check_steps(struct check *check)
{
    const struct engine_observer observer = {
        .step_start = start_step, .step_done = end_step, .user = check};
    engine_scratch_observe(check->scratch, observer);
    engine_run(check->engine, check->scratch, check->batch, check->slots,
               &(struct engine_outputs){.logits = check->logits});
    engine_scratch_observe(check->scratch, (struct engine_observer){0});
    return check->status;
}

/* Runs the slot at `slot` alone; its logits stand behind the batch's. */
static const float *run_alone(struct check *check, size_t slot)
{
    float *logits = check->logits + check->batch * engine_classes(check->engine);
    engine_run(check->engine, check->scratch, 1, &check->slots[slot],
               &(struct engine_outputs){.logits = logits});
    return logits;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static enum status check_company(struct check *check)
{
    uint32_t classes = engine_classes(check->engine);
    const float *together = check->logits + (check->batch - 1) * classes;
    const float *alone = run_alone(check, check->batch - 1);
    for (uint32_t c = 0; c < classes; c++)
        if (bits_of(alone[c]) != bits_of(together[c]))
            return error_set(check->error, STATUS_INTERNAL,
                             "an image's answer depends on its company: the logit of class %u is "
                             "%.9g alone and %.9g in a batch of %zu (kernels %s); try other "
                             "kernels",
                             c, (double)alone[c], (double)together[c], check->batch,
                             engine_kernel_set(check->engine)->name);
    return STATUS_OK;
}

/* The golden values are float32's. A network in bf16 or int8 is off by a few percent of its largest
 * logits, so there they find only what is grossly wrong: another network, another recipe. */
static double golden_tolerance(const struct check *check, const struct engine_golden *golden)
{
    static const struct {
        const char *precision;
        double share;
    } shares[] = {{"bf16", 0.05}, {"int8", 0.25}};
    double largest = 0, tolerance = (double)golden->tolerance;
    for (size_t i = 0; i < golden->count; i++)
        largest = fmax(largest, fabs((double)golden->logits[i].logit));
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (strcmp(engine_precision(check->engine), shares[i].precision) == 0)
            tolerance = fmax(tolerance, largest * shares[i].share);
    return tolerance;
}

static enum status check_golden(struct check *check, const struct engine_golden *golden)
{
    engine_golden_draw(engine_input_px(check->engine), slot_block_pixels(&check->block, 0));
    const float *logits = run_alone(check, 0);
    double tolerance = golden_tolerance(check, golden);
    for (size_t i = 0; i < golden->count; i++) {
        uint32_t class_id = golden->logits[i].class_id;
        if (class_id >= engine_classes(check->engine))
            return error_set(check->error, STATUS_BAD_MODEL,
                             "golden: class %u of a network of %u classes", class_id,
                             engine_classes(check->engine));
        double found = (double)logits[class_id], expected = (double)golden->logits[i].logit;
        double deviation = fabs(found - expected);
        if (!(deviation <= tolerance))
            return error_set(check->error, STATUS_INTERNAL,
                             "the golden logit of class %u is %.9g, this engine computes %.9g "
                             "(kernels %s); the golden values or the recipe belong to other "
                             "weights, or the engine is wrong",
                             class_id, expected, found, engine_kernel_set(check->engine)->name);
        check->report.golden_logits++;
        check->report.worst_golden = fmax(check->report.worst_golden, deviation);
    }
    return STATUS_OK;
}

static size_t widest_step(const struct engine *engine)
{
    const struct plan *plan = engine_plan(engine);
    size_t widest = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].output->channels > widest)
            widest = plan->steps[i].output->channels;
    return widest;
}

static enum status check_init(struct check *check)
{
    size_t logits;
    check->slots = alloc_array(check->batch, sizeof *check->slots, SIZE_MAX / 2);
    if (checked_mul(check->batch + 1, engine_classes(check->engine), &logits))
        check->logits = alloc_array(logits, sizeof *check->logits, SIZE_MAX / 2);
    check->wanted = alloc_array(widest_step(check->engine), sizeof *check->wanted, SIZE_MAX / 2);
    if (!check->slots || !check->logits || !check->wanted)
        return error_set(check->error, STATUS_NO_MEMORY, "no memory to check a batch of %zu",
                         check->batch);
    enum status status = slot_block_init(check->engine, check->batch, &check->block, check->error);
    if (status != STATUS_OK)
        return status;
    uint8_t *bytes = check->block.memory.data;
    for (size_t i = 0; i < check->block.memory.size_bytes; i++)
        bytes[i] = (uint8_t)draw(check);
    for (size_t i = 0; i < check->batch; i++)
        check->slots[i] = slot_block_slot(&check->block, i);
    return STATUS_OK;
}

enum status engine_check(const struct engine *engine, const struct graph *graph,
                         struct engine_scratch *scratch, size_t max_batch,
                         const struct engine_golden *golden, struct engine_check_report *ret_report,
                         struct error *error)
{
    uint64_t start_us = clock_now_us();
    struct check check = {.engine = engine,
                          .graph = graph,
                          .scratch = scratch,
                          .batch = max_batch,
                          .random = 88172645463325252U,
                          .error = error};
    enum status status = check_init(&check);
    if (status == STATUS_OK)
        status = check_steps(&check);
    if (status == STATUS_OK)
        status = check_company(&check);
    if (status == STATUS_OK && golden)
        status = check_golden(&check, golden);
    slot_block_fini(&check.block);
    free(check.wanted);
    free(check.logits);
    free(check.slots);
    check.report.elapsed_us = clock_now_us() - start_us;
    if (status == STATUS_OK)
        *ret_report = check.report;
    return status;
}
