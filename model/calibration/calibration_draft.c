#include "model/calibration/calibration_draft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/base/denormals.h"
#include "model/calibration/calibration_weights.h"

struct part {
    struct calibration_choice choice;
    float least_error_step, max_step; /* of the output */
    float *scale;                     /* [out], for these steps: */
    float input_scale, projection_scale;
};

struct calibration_draft {
    const struct calibration_network *network;
    struct part *parts;                /* [conv_count] */
    struct quantization *quantization; /* of the last run */
};

enum status calibration_draft_create(const struct calibration_network *network,
                                     struct calibration_draft **ret_draft, struct error *error)
{
    struct calibration_draft *draft = calloc(1, sizeof *draft);
    if (!draft)
        return error_set(error, STATUS_NO_MEMORY, "no memory to calibrate");
    draft->network = network;
    draft->parts = alloc_array(network->conv_count, sizeof *draft->parts, SIZE_MAX / 2);
    enum status status = quantization_create(network->conv_count, &draft->quantization, error);
    if (status == STATUS_OK && !draft->parts)
        status = error_set(error, STATUS_NO_MEMORY, "no memory to calibrate");
    for (size_t i = 0; i < network->conv_count && status == STATUS_OK; i++) {
        const struct calibration_conv *conv = &network->convs[i];
        struct part *part = &draft->parts[i];
        struct quantization_layer *layer = &draft->quantization->layers[i];
        memcpy(layer->name, conv->step->name, sizeof layer->name);
        layer->channels = conv->step->output->channels;
        layer->bias = alloc_array(layer->channels, sizeof(float), SIZE_MAX / 2);
        part->scale = alloc_array(layer->channels, sizeof(float), SIZE_MAX / 2);
        if (!layer->bias || !part->scale)
            status =
                error_set(error, STATUS_NO_MEMORY, "no memory to calibrate layer %s", layer->name);
        part->choice.arithmetic = STEP_INT8;
        part->max_step = calibration_histogram_max_step(&conv->histogram);
        part->least_error_step = calibration_histogram_least_error_step(&conv->histogram);
        if (status == STATUS_OK && conv->is_stored_u8 &&
            part->max_step > QUANTIZATION_LARGEST_SCALE)
            status = error_set(error, STATUS_BAD_MODEL,
                               "layer %s gives values as large as %g, which no calibration can put "
                               "into 8 bits; is the model damaged?",
                               layer->name, (double)conv->histogram.largest);
    }
    if (status != STATUS_OK) {
        calibration_draft_destroy(draft);
        return status;
    }
    *ret_draft = draft;
    return STATUS_OK;
}

void calibration_draft_destroy(struct calibration_draft *draft)
{
    if (!draft)
        return;
    for (size_t i = 0; draft->parts && i < draft->network->conv_count; i++)
        free(draft->parts[i].scale);
    for (size_t i = 0; draft->quantization && i < draft->quantization->layer_count; i++)
        draft->quantization->layers[i].scale = NULL; /* the parts' */
    quantization_destroy(draft->quantization);
    free(draft->parts);
    free(draft);
}

struct calibration_choice calibration_draft_choice(const struct calibration_draft *draft,
                                                   size_t conv)
{
    return draft->parts[conv].choice;
}

void calibration_draft_choose(struct calibration_draft *draft, size_t conv,
                              struct calibration_choice choice)
{
    draft->parts[conv].choice = choice;
}

static float output_step(const struct calibration_draft *draft, int conv)
{
    if (conv == CALIBRATION_NO_CONV)
        return 1.0f;
    const struct part *part = &draft->parts[conv];
    return part->choice.is_max ? part->max_step : part->least_error_step;
}

/* Takes over the choices. Scales of weights are searched only where the steps that they belong to
 * have changed. */
static enum status settle(struct calibration_draft *draft, struct error *error)
{
    const struct calibration_network *network = draft->network;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < network->conv_count && status == STATUS_OK; i++) {
        const struct calibration_conv *conv = &network->convs[i];
        struct part *part = &draft->parts[i];
        struct quantization_layer *layer = &draft->quantization->layers[i];
        float input = output_step(draft, conv->input);
        float projection = output_step(draft, conv->projection);
        const struct step_weights weights = {.weight = conv->folded.weight,
                                             .projection = conv->folded.projection};
        const struct calibration_weights_case given = {conv->step, &weights, &conv->means, input,
                                                       projection};
        if (input != part->input_scale || projection != part->projection_scale)
            status =
                calibration_weights_scales(&given, network->options->weights, part->scale, error);
        part->input_scale = input;
        part->projection_scale = projection;
        layer->arithmetic = part->choice.arithmetic;
        layer->output_scale = conv->is_stored_u8 ? output_step(draft, (int)i) : 1.0f;
        layer->scale = layer->arithmetic == STEP_INT8 ? part->scale : NULL;
        memset(layer->bias, 0, layer->channels * sizeof *layer->bias);
    }
    return status;
}

/* A channel that is hardly ever over 0 says too little of its error. */
static const double least_positive_share = 0.01;

/* No correction is over it, as the file's reader wants. */
static const double largest = (double)QUANTIZATION_LARGEST_SCALE;

/* A run under way. */
struct correction {
    struct calibration_draft *draft;
    struct error *error;
    enum status status;
    bool is_search; /* of the network's search images; else of its bias images */
    float *line;
    uint8_t *residual;     /* a copy of the residual that a step writes over */
    struct region scratch; /* of a thread, for the second run of a step */
};

static float *copy_floats(const float *values, size_t count)
{
    float *copy = alloc_array(count, sizeof *copy, SIZE_MAX / 2);
    if (copy)
        memcpy(copy, values, count * sizeof *copy);
    return copy;
}

/* Writes the correction of a step's bias, from the outputs that it has written. */
static enum status correct(struct correction *correction, const struct calibration_conv *conv,
                           const struct step_run *run, struct quantization_layer *layer)
{
    struct calibration_means means;
    const double *expected = correction->is_search ? conv->search_means : conv->bias_means;
    enum status status = calibration_means_init(run->step, &means, correction->error);
    if (status != STATUS_OK)
        return status;
    calibration_means_add_outputs(&means, run, correction->line);
    for (size_t o = 0; o < layer->channels; o++) {
        double share = (double)means.positives[o] / (double)means.output_count;
        double missing = expected[o] - means.outputs[o] / (double)means.output_count;
        if (share >= least_positive_share)
            layer->bias[o] = (float)fmax(-largest, fmin(missing / share, largest));
    }
    calibration_means_fini(&means);
    return STATUS_OK;
}

/* Packs a step's weights again, with the bias that it has now. The plan belongs to an engine that
 * nobody else has. */
static enum status pack_again(const struct calibration_conv *conv, const struct step *step,
                              const struct quantization_layer *layer, struct error *error)
{
    float *bias = copy_floats(conv->folded.bias, layer->channels);
    if (!bias)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the bias of layer %s", step->name);
    for (size_t o = 0; o < layer->channels; o++)
        bias[o] += layer->bias[o];
    const struct step_weights weights = {conv->folded.weight, bias, conv->folded.projection,
                                         layer->scale};
    step->kernel->pack(step, &weights, (void *)(uintptr_t)step->packed);
    free(bias);
    return STATUS_OK;
}

/* All of a tensor's images in a pass, with their halos: they share their buffer with the output's
 * only where both have one geometry. */
static uint8_t *tensor_bytes(const struct step_run *run, const struct tensor *tensor,
                             size_t *ret_bytes)
{
    size_t element = tensor_element_bytes(tensor->type);
    *ret_bytes = run->images * tensor->image_stride * element;
    return run->buffers[tensor->buffer] + run->first_image * tensor->image_stride * element;
}

static bool is_overwritten(const struct step *step)
{
    return step->residual && step->residual->buffer == step->output->buffer;
}

static void keep_residual(void *user, const struct step_run *run)
{
    struct correction *correction = user;
    if (!is_overwritten(run->step) || correction->status != STATUS_OK)
        return;
    size_t bytes;
    const uint8_t *from = tensor_bytes(run, run->step->residual, &bytes);
    correction->residual = alloc_array(bytes, 1, SIZE_MAX / 2);
    if (correction->residual)
        memcpy(correction->residual, from, bytes);
    else
        correction->status = error_set(correction->error, STATUS_NO_MEMORY,
                                       "no memory to correct the bias of %s", run->step->name);
}

static void run_again(struct correction *correction, const struct step_run *run)
{
    const struct step *step = run->step;
    if (is_overwritten(step)) {
        size_t bytes;
        uint8_t *to = tensor_bytes(run, step->residual, &bytes);
        memcpy(to, correction->residual, bytes);
    }
    uint64_t before = denormals_flush(); /* as the engine runs it */
    step->kernel->run(run, 0, step->kernel->units(step, run->images), correction->scratch.data);
    denormals_restore(before);
}

static void correct_bias(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    struct correction *correction = user;
    const struct calibration_network *network = correction->draft->network;
    const struct calibration_conv *conv = calibration_network_find(network, run->step);
    if (conv && correction->status == STATUS_OK) {
        struct quantization_layer *layer =
            &correction->draft->quantization->layers[conv - network->convs];
        correction->status = correct(correction, conv, run, layer);
        if (correction->status == STATUS_OK)
            correction->status = pack_again(conv, run->step, layer, correction->error);
        if (correction->status == STATUS_OK)
            run_again(correction, run);
    }
    free(correction->residual);
    correction->residual = NULL;
}

static enum status run_corrected(struct calibration_draft *draft, const struct engine *engine,
                                 size_t images, float *ret_logits, struct error *error)
{
    const struct calibration_network *network = draft->network;
    struct correction correction = {
        .draft = draft, .error = error, .is_search = images == network->search_images};
    struct engine_scratch *scratch = NULL;
    correction.line = calibration_network_line(network);
    enum status status = STATUS_OK;
    if (!correction.line)
        status = error_set(error, STATUS_NO_MEMORY, "no memory to correct biases");
    if (status == STATUS_OK)
        status = region_init(engine_plan(engine)->scratch_bytes + PLAN_ALIGNMENT, false,
                             &correction.scratch, error);
    if (status == STATUS_OK)
        status = engine_scratch_create(engine, images, network->options->threads, &scratch, error);
    if (status == STATUS_OK) {
        if (network->options->has_bias_correction)
            engine_scratch_observe(scratch, (struct engine_observer){.step_start = keep_residual,
                                                                     .step_done = correct_bias,
                                                                     .user = &correction});
        engine_run(engine, scratch, images, network->kept.slots,
                   &(struct engine_outputs){.logits = ret_logits});
        status = correction.status;
    }
    engine_scratch_destroy(scratch);
    region_fini(&correction.scratch);
    free(correction.line);
    return status;
}

enum status calibration_draft_run(struct calibration_draft *draft, size_t images, float *ret_logits,
                                  struct error *error)
{
    const struct calibration_options *options = draft->network->options;
    struct engine *engine = NULL;
    enum status status = settle(draft, error);
    struct engine_options engine_options = options->engine;
    engine_options.precision = "int8";
    engine_options.quantization = draft->quantization;
    engine_options.images_per_pass = (uint32_t)images; /* means are of all of them */
    if (status == STATUS_OK)
        status = engine_create(draft->network->graph, &engine_options, &engine, error);
    if (status == STATUS_OK)
        status = run_corrected(draft, engine, images, ret_logits, error);
    engine_destroy(engine);
    if (options->progress)
        options->progress(options->user, images);
    return status;
}

enum status calibration_draft_copy(const struct calibration_draft *draft,
                                   struct quantization **ret_quantization, struct error *error)
{
    const struct quantization *from = draft->quantization;
    struct quantization *copy = NULL;
    enum status status = quantization_create(from->layer_count, &copy, error);
    for (size_t i = 0; i < from->layer_count && status == STATUS_OK; i++) {
        struct quantization_layer *layer = &copy->layers[i];
        *layer = from->layers[i];
        layer->scale = from->layers[i].scale ? copy_floats(layer->scale, layer->channels) : NULL;
        layer->bias = copy_floats(from->layers[i].bias, layer->channels);
        if (!layer->bias || (from->layers[i].scale && !layer->scale))
            status = error_set(error, STATUS_NO_MEMORY, "no memory for a quantization");
    }
    if (status != STATUS_OK) {
        quantization_destroy(copy);
        return status;
    }
    *ret_quantization = copy;
    return STATUS_OK;
}
