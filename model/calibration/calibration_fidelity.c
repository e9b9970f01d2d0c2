#include "model/calibration/calibration_fidelity.h"

#include <math.h>
#include <stdlib.h>

#include "model/base/alloc.h"

enum { BATCH = 8, MOST_DB = 200 };

static size_t best_of(const float *logits, size_t classes)
{
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = logits[c] > logits[best] ? c : best;
    return best;
}

void calibration_fidelity_add(struct calibration_fidelity *fidelity, const float *reference,
                              const float *logits, size_t images, size_t classes)
{
    for (size_t i = 0; i < images; i++, reference += classes, logits += classes) {
        double mean = 0;
        /* A single class has no spread: what it says is its value. */
        for (size_t c = 0; c < classes && classes > 1; c++)
            mean += (double)reference[c] / (double)classes;
        for (size_t c = 0; c < classes; c++) {
            double signal = (double)reference[c] - mean;
            double noise = (double)logits[c] - (double)reference[c];
            fidelity->signal += signal * signal;
            fidelity->noise += noise * noise;
        }
        fidelity->agreeing += best_of(reference, classes) == best_of(logits, classes);
        fidelity->images++;
    }
}

double calibration_fidelity_db(double signal, double noise)
{
    double db = noise == 0 ? MOST_DB : 10 * log10(signal / noise);
    if (!(db > -MOST_DB)) /* as it must be for a NaN */
        return -MOST_DB;
    return db < MOST_DB ? db : MOST_DB;
}

/* What runs images, and where their logits go. */
struct runner {
    const struct calibration_fidelity_case *given;
    struct engine *engine;
    struct engine_scratch *scratch;
    struct calibration_slots slots; /* [BATCH] */
};

static enum status runner_init(struct runner *runner, const struct calibration_fidelity_case *given,
                               struct error *error)
{
    struct engine_options options = given->options->engine;
    options.precision = given->precision;
    options.quantization = given->quantization;
    *runner = (struct runner){.given = given};
    enum status status = engine_create(given->graph, &options, &runner->engine, error);
    if (status == STATUS_OK)
        status = engine_scratch_create(runner->engine, BATCH, given->options->threads,
                                       &runner->scratch, error);
    if (status == STATUS_OK)
        status = calibration_slots_init(runner->engine, BATCH, &runner->slots, error);
    return status;
}

static void runner_fini(struct runner *runner)
{
    calibration_slots_fini(&runner->slots);
    engine_scratch_destroy(runner->scratch);
    engine_destroy(runner->engine);
}

/* Runs the next batch behind the `done` ones; `ret_count` is of how many. */
static enum status run_batch(struct runner *runner, const struct calibration_images *images,
                             size_t done, float *ret_logits, size_t *ret_count, struct error *error)
{
    const struct calibration_options *options = runner->given->options;
    size_t count = images->count - done < BATCH ? images->count - done : BATCH;
    enum status status = calibration_slots_fill(&runner->slots, images, done, count, error);
    if (status != STATUS_OK)
        return status;
    engine_run(runner->engine, runner->scratch, count, runner->slots.slots,
               &(struct engine_outputs){.logits = ret_logits});
    if (options->progress)
        options->progress(options->user, count);
    *ret_count = count;
    return STATUS_OK;
}

enum status calibration_fidelity_run(const struct calibration_fidelity_case *given,
                                     const struct calibration_images *images, float *ret_logits,
                                     struct error *error)
{
    struct runner runner;
    enum status status = runner_init(&runner, given, error);
    size_t count = 0;
    for (size_t done = 0; done < images->count && status == STATUS_OK; done += count)
        status = run_batch(&runner, images, done, ret_logits + done * given->graph->classes, &count,
                           error);
    runner_fini(&runner);
    return status;
}

enum status calibration_fidelity_compare(const struct calibration_fidelity_case *given,
                                         const struct calibration_images *images,
                                         const float *reference,
                                         struct calibration_fidelity *fidelity, struct error *error)
{
    struct runner runner;
    size_t classes = given->graph->classes, count = 0;
    float *logits = alloc_array(BATCH * classes, sizeof *logits, SIZE_MAX / 2);
    enum status status = runner_init(&runner, given, error);
    if (status == STATUS_OK && !logits)
        status =
            error_set(error, STATUS_NO_MEMORY, "no memory for the answers to %d images", BATCH);
    for (size_t done = 0; done < images->count && status == STATUS_OK; done += count) {
        status = run_batch(&runner, images, done, logits, &count, error);
        if (status == STATUS_OK)
            calibration_fidelity_add(fidelity, reference + done * classes, logits, count, classes);
    }
    runner_fini(&runner);
    free(logits);
    return status;
}

/* Two runs of one image side by side. */
struct comparison {
    const struct calibration_network *network;
    float **outputs;        /* [conv_count] of the float32 run, dense */
    double *signal, *noise; /* [conv_count] */
};

static void keep_output(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    const struct comparison *comparison = user;
    const struct tensor *output = run->step->output;
    const struct calibration_conv *conv = calibration_network_find(comparison->network, run->step);
    if (!conv)
        return;
    float *to = comparison->outputs[conv - comparison->network->convs];
    for (size_t y = 0; y < output->height_px; y++)
        for (size_t x = 0; x < output->width_px; x++, to += output->channels) {
            const uint8_t *pixel = tensor_pixel(output, run->buffers, run->first_image, y, x);
            for (size_t c = 0; c < output->channels; c++)
                to[c] = tensor_value(output, pixel, c);
        }
}

static void compare_output(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    const struct comparison *comparison = user;
    const struct tensor *output = run->step->output;
    const struct calibration_conv *conv = calibration_network_find(comparison->network, run->step);
    if (!conv)
        return;
    size_t index = (size_t)(conv - comparison->network->convs);
    const float *expected = comparison->outputs[index];
    for (size_t y = 0; y < output->height_px; y++)
        for (size_t x = 0; x < output->width_px; x++, expected += output->channels) {
            const uint8_t *pixel = tensor_pixel(output, run->buffers, run->first_image, y, x);
            for (size_t c = 0; c < output->channels; c++) {
                double value = (double)expected[c];
                double off = (double)tensor_value(output, pixel, c) - value;
                comparison->signal[index] += value * value;
                comparison->noise[index] += off * off;
            }
        }
}

static enum status comparison_init(struct comparison *comparison, struct error *error)
{
    size_t count = comparison->network->conv_count;
    comparison->outputs = alloc_array(count, sizeof *comparison->outputs, SIZE_MAX / 2);
    comparison->signal = alloc_array(count, sizeof(double), SIZE_MAX / 2);
    comparison->noise = alloc_array(count, sizeof(double), SIZE_MAX / 2);
    bool is_complete = comparison->outputs && comparison->signal && comparison->noise;
    for (size_t i = 0; i < count && is_complete; i++) {
        const struct tensor *output = comparison->network->convs[i].step->output;
        comparison->outputs[i] =
            alloc_array((size_t)output->height_px * output->width_px * output->channels,
                        sizeof(float), SIZE_MAX / 2);
        is_complete = comparison->outputs[i] != NULL;
    }
    return is_complete ? STATUS_OK
                       : error_set(error, STATUS_NO_MEMORY, "no memory to compare layers");
}

static void comparison_fini(struct comparison *comparison)
{
    for (size_t i = 0; comparison->outputs && i < comparison->network->conv_count; i++)
        free(comparison->outputs[i]);
    free(comparison->outputs);
    free(comparison->signal);
    free(comparison->noise);
}

enum status calibration_fidelity_layers(const struct calibration_network *network,
                                        const struct quantization *quantization, size_t images,
                                        double *ret_db, struct error *error)
{
    const struct calibration_options *options = network->options;
    struct comparison comparison = {.network = network};
    struct engine_options engine_options = options->engine;
    engine_options.precision = "int8";
    engine_options.quantization = quantization;
    struct engine *engine = NULL;
    struct engine_scratch *exact = NULL, *rounded = NULL;
    enum status status = comparison_init(&comparison, error);
    if (status == STATUS_OK)
        status = engine_create(network->graph, &engine_options, &engine, error);
    if (status == STATUS_OK)
        status = engine_scratch_create(network->engine, 1, options->threads, &exact, error);
    if (status == STATUS_OK)
        status = engine_scratch_create(engine, 1, options->threads, &rounded, error);
    for (size_t i = 0; i < images && status == STATUS_OK; i++) {
        engine_scratch_observe(
            exact, (struct engine_observer){.step_done = keep_output, .user = &comparison});
        engine_scratch_observe(
            rounded, (struct engine_observer){.step_done = compare_output, .user = &comparison});
        engine_run(network->engine, exact, 1, network->kept.slots + i, &(struct engine_outputs){0});
        engine_run(engine, rounded, 1, network->kept.slots + i, &(struct engine_outputs){0});
    }
    for (size_t i = 0; i < network->conv_count && status == STATUS_OK; i++)
        ret_db[i] = calibration_fidelity_db(comparison.signal[i], comparison.noise[i]);
    engine_scratch_destroy(exact);
    engine_scratch_destroy(rounded);
    engine_destroy(engine);
    comparison_fini(&comparison);
    return status;
}
