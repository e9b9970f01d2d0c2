#include "model/calibration/calibration_network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

enum { BATCH = 8 };

/* One pass of the images. */
struct pass {
    struct calibration_network *network;
    struct error *error;
    enum status status;
    float *line;
};

static bool is_conv(const struct step *step)
{
    return step->op == STEP_CONV || step->op == STEP_CONV_INPUT;
}

struct calibration_conv *calibration_network_find(const struct calibration_network *network,
                                                  const struct step *step)
{
    for (size_t i = 0; i < network->conv_count; i++)
        if (network->convs[i].step->layer == step->layer)
            return &network->convs[i];
    return NULL;
}

/* The convolution that gave `tensor` its values; a pooling passes them on. */
static int find_source(const struct calibration_network *network, const struct tensor *tensor)
{
    const struct plan *plan = engine_plan(network->engine);
    for (size_t i = 0; tensor && i < plan->step_count; i++)
        if (plan->steps[i].output == tensor && plan->steps[i].op == STEP_MAX_POOL)
            return find_source(network, plan->steps[i].input);
    for (size_t i = 0; i < network->conv_count; i++)
        if (network->convs[i].step->output == tensor)
            return (int)i;
    return CALIBRATION_NO_CONV;
}

static uint64_t macs_of(const struct step *step)
{
    const struct tensor *output = step->output;
    uint64_t terms =
        (uint64_t)step->kernel_px * step->kernel_px * step->input->channels / step->groups +
        (step->projection ? step->projection->channels : 0);
    return terms * output->channels * output->height_px * output->width_px;
}

static enum status conv_init(const struct calibration_network *network,
                             struct calibration_conv *conv, struct error *error)
{
    const struct step *step = conv->step;
    conv->macs = macs_of(step);
    conv->is_stored_u8 = step->output != engine_plan(network->engine)->feature_map;
    conv->input = find_source(network, step->input);
    conv->projection = find_source(network, step->projection);
    conv->search_means = alloc_array(step->output->channels, sizeof(double), SIZE_MAX / 2);
    conv->bias_means = alloc_array(step->output->channels, sizeof(double), SIZE_MAX / 2);
    if (!conv->search_means || !conv->bias_means)
        return error_set(error, STATUS_NO_MEMORY, "no memory to calibrate layer %s", step->name);
    enum status status = calibration_means_init(step, &conv->means, error);
    if (status == STATUS_OK)
        status = fold_step_init(network->graph, step->layer, step->projection != NULL, NULL,
                                &conv->folded, error);
    return status;
}

static enum status convs_init(struct calibration_network *network, struct error *error)
{
    const struct plan *plan = engine_plan(network->engine);
    network->convs = alloc_array(plan->step_count, sizeof *network->convs, SIZE_MAX / 2);
    if (!network->convs)
        return error_set(error, STATUS_NO_MEMORY, "no memory to calibrate %zu layers",
                         plan->step_count);
    for (size_t i = 0; i < plan->step_count; i++)
        if (is_conv(&plan->steps[i]))
            network->convs[network->conv_count++].step = &plan->steps[i];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < network->conv_count && status == STATUS_OK; i++)
        status = conv_init(network, &network->convs[i], error);
    return status;
}

float *calibration_network_line(const struct calibration_network *network)
{
    const struct plan *plan = engine_plan(network->engine);
    size_t widest = 0;
    for (size_t i = 0; i < plan->tensor_count; i++)
        widest = plan->tensors[i].channels > widest ? plan->tensors[i].channels : widest;
    return alloc_array(widest, sizeof(float), SIZE_MAX / 2);
}

static void look_at_inputs(void *user, const struct step_run *run)
{
    struct pass *pass = user;
    struct calibration_conv *conv = calibration_network_find(pass->network, run->step);
    if (conv)
        calibration_means_add_inputs(&conv->means, run, pass->line);
}

static bool is_finite_line(const float *line, size_t channels)
{
    float sum = 0;
    for (size_t c = 0; c < channels; c++)
        sum += line[c] * 0.0f;
    return sum == 0;
}

static void look_at_output(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    struct pass *pass = user;
    const struct tensor *output = run->step->output;
    struct calibration_conv *conv = calibration_network_find(pass->network, run->step);
    if (!conv)
        return;
    for (size_t i = 0; i < run->images; i++)
        for (size_t y = 0; y < output->height_px; y++)
            for (size_t x = 0; x < output->width_px; x++) {
                const float *pixel = tensor_row_f32(output, run->buffers, run->first_image + i, y) +
                                     x * output->pixel_stride;
                if (is_finite_line(pixel, output->channels))
                    calibration_histogram_add(&conv->histogram, pixel, output->channels);
                else
                    pass->status = error_set(pass->error, STATUS_BAD_MODEL,
                                             "layer %s gives values that are not finite numbers",
                                             run->step->name);
            }
    calibration_means_add_outputs(&conv->means, run, pass->line);
}

static void run_batch(const struct pass *pass, struct engine_scratch *scratch,
                      const struct step_slot *slots, size_t count, float *ret_logits)
{
    const struct calibration_network *network = pass->network;
    engine_run(network->engine, scratch, count, slots,
               &(struct engine_outputs){.logits = ret_logits});
    if (network->options->progress)
        network->options->progress(network->options->user, count);
}

/* Runs images [first, last) of those that are kept; into the network's logits where it `is_search`.
 */
static void run_kept(struct pass *pass, struct engine_scratch *scratch, size_t first, size_t last,
                     bool is_search)
{
    const struct calibration_network *network = pass->network;
    for (size_t done = first; done < last && pass->status == STATUS_OK; done += BATCH)
        run_batch(pass, scratch, network->kept.slots + done,
                  last - done < BATCH ? last - done : BATCH,
                  is_search ? network->logits + done * network->graph->classes : NULL);
}

/* Runs those after them, each as it is read. */
static void run_rest(struct pass *pass, struct engine_scratch *scratch,
                     const struct calibration_images *images)
{
    struct calibration_slots slots = {0};
    if (pass->status == STATUS_OK && pass->network->bias_images < images->count)
        pass->status = calibration_slots_init(pass->network->engine, BATCH, &slots, pass->error);
    for (size_t done = pass->network->bias_images;
         done < images->count && pass->status == STATUS_OK; done += BATCH) {
        size_t count = images->count - done < BATCH ? images->count - done : BATCH;
        pass->status = calibration_slots_fill(&slots, images, done, count, pass->error);
        if (pass->status == STATUS_OK)
            run_batch(pass, scratch, slots.slots, count, NULL);
    }
    calibration_slots_fini(&slots);
}

static void take_means(const struct calibration_network *network, bool is_search)
{
    for (size_t i = 0; i < network->conv_count; i++) {
        const struct calibration_conv *conv = &network->convs[i];
        double *to = is_search ? conv->search_means : conv->bias_means;
        for (size_t o = 0; o < conv->step->output->channels; o++)
            to[o] = conv->means.outputs[o] / (double)conv->means.output_count;
    }
}

static enum status look_at_images(struct calibration_network *network,
                                  const struct calibration_images *images, struct error *error)
{
    struct pass pass = {.network = network, .error = error};
    struct engine_scratch *scratch = NULL;
    pass.line = calibration_network_line(network);
    pass.status = pass.line ? engine_scratch_create(network->engine, BATCH,
                                                    network->options->threads, &scratch, error)
                            : error_set(error, STATUS_NO_MEMORY, "no memory to calibrate");
    if (pass.status == STATUS_OK) {
        engine_scratch_observe(scratch, (struct engine_observer){.step_start = look_at_inputs,
                                                                 .step_done = look_at_output,
                                                                 .user = &pass});
        run_kept(&pass, scratch, 0, network->search_images, true);
        take_means(network, true);
        run_kept(&pass, scratch, network->search_images, network->bias_images, false);
        take_means(network, false);
        run_rest(&pass, scratch, images);
    }
    engine_scratch_destroy(scratch);
    free(pass.line);
    return pass.status;
}

enum status calibration_network_init(const struct graph *graph,
                                     const struct calibration_options *options,
                                     const struct calibration_images *images,
                                     struct calibration_network *ret_network, struct error *error)
{
    *ret_network = (struct calibration_network){.graph = graph, .options = options};
    ret_network->bias_images =
        images->count < CALIBRATION_MAX_BIAS_IMAGES ? images->count : CALIBRATION_MAX_BIAS_IMAGES;
    ret_network->search_images = options->search_images < ret_network->bias_images
                                     ? options->search_images
                                     : ret_network->bias_images;
    struct engine_options engine = options->engine;
    engine.precision = "float32";
    size_t logits;
    enum status status = engine_create(graph, &engine, &ret_network->engine, error);
    if (status != STATUS_OK)
        return status;
    if (checked_mul(ret_network->search_images, graph->classes, &logits))
        ret_network->logits = alloc_array(logits, sizeof(float), SIZE_MAX / 2);
    if (!ret_network->logits)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the answers to %zu images",
                         ret_network->search_images);
    status = calibration_slots_init(ret_network->engine, ret_network->bias_images,
                                    &ret_network->kept, error);
    if (status == STATUS_OK)
        status =
            calibration_slots_fill(&ret_network->kept, images, 0, ret_network->bias_images, error);
    if (status == STATUS_OK)
        status = convs_init(ret_network, error);
    if (status == STATUS_OK)
        status = look_at_images(ret_network, images, error);
    return status;
}

void calibration_network_fini(struct calibration_network *network)
{
    for (size_t i = 0; i < network->conv_count; i++) {
        fold_step_fini(&network->convs[i].folded);
        calibration_means_fini(&network->convs[i].means);
        free(network->convs[i].search_means);
        free(network->convs[i].bias_means);
    }
    free(network->convs);
    free(network->logits);
    calibration_slots_fini(&network->kept);
    engine_destroy(network->engine);
    *network = (struct calibration_network){0};
}
