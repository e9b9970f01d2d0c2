#include "model/calibration/calibration.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/calibration/calibration_draft.h"

/* By so many images the report's figures of each layer are made. */
enum { REPORT_IMAGES = 8 };

/* One search for the better choices. */
struct search {
    const struct calibration_network *network;
    struct calibration_draft *draft;
    float *logits; /* [search images, classes] */
    struct error *error;
};

/* The noise of the logits with the draft's choices, against float32's. */
static enum status measure(struct search *search, double *ret_noise)
{
    const struct calibration_network *network = search->network;
    enum status status =
        calibration_draft_run(search->draft, network->search_images, search->logits, search->error);
    struct calibration_fidelity fidelity = {0};
    if (status == STATUS_OK)
        calibration_fidelity_add(&fidelity, network->logits, search->logits, network->search_images,
                                 network->graph->classes);
    *ret_noise = fidelity.noise;
    return status;
}

static void choose_max(struct search *search, size_t conv, bool is_max)
{
    struct calibration_choice choice = calibration_draft_choice(search->draft, conv);
    choice.is_max = is_max;
    calibration_draft_choose(search->draft, conv, choice);
}

/* Tensor by tensor, the other step is taken where the logits come out better with it. */
static enum status choose_steps(struct search *search)
{
    enum calibration_activations method = search->network->options->activations;
    size_t count = search->network->conv_count;
    for (size_t i = 0; i < count; i++)
        choose_max(search, i, method == CALIBRATION_ACTIVATIONS_MAX);
    double least, noise;
    if (method != CALIBRATION_ACTIVATIONS_BEST)
        return STATUS_OK;
    enum status status = measure(search, &least);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (!search->network->convs[i].is_stored_u8)
            continue;
        choose_max(search, i, true);
        status = measure(search, &noise);
        if (noise < least)
            least = noise;
        else
            choose_max(search, i, false);
    }
    return status;
}

struct candidate {
    size_t conv;
    uint64_t macs;
    double gain; /* noise that goes where it is bfloat16's, a multiply-add */
};

static int compare_gains(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    return left->gain > right->gain ? -1 : left->gain < right->gain;
}

static void choose_arithmetic(struct search *search, size_t conv, enum step_arithmetic arithmetic)
{
    struct calibration_choice choice = calibration_draft_choice(search->draft, conv);
    choice.arithmetic = arithmetic;
    calibration_draft_choose(search->draft, conv, choice);
}

/* Measures one layer at a time that fits the budget. */
static enum status measure_layers(struct search *search, uint64_t budget,
                                  struct candidate *ret_candidates, size_t *ret_count)
{
    double all_int8, noise;
    enum status status = measure(search, &all_int8);
    for (size_t i = 0; i < search->network->conv_count && status == STATUS_OK; i++) {
        uint64_t macs = search->network->convs[i].macs;
        if (macs > budget)
            continue;
        choose_arithmetic(search, i, STEP_BF16);
        status = measure(search, &noise);
        choose_arithmetic(search, i, STEP_INT8);
        ret_candidates[(*ret_count)++] =
            (struct candidate){i, macs, (all_int8 - noise) / (double)macs};
    }
    return status;
}

/* The layers that gain most a multiply-add go to bfloat16, as long as the budget lasts. */
static enum status choose_bf16(struct search *search)
{
    const struct calibration_network *network = search->network;
    uint64_t total = 0;
    for (size_t i = 0; i < network->conv_count; i++)
        total += network->convs[i].macs;
    uint64_t budget = (uint64_t)((double)total * network->options->bf16_share);
    if (budget == 0)
        return STATUS_OK;
    size_t count = 0;
    struct candidate *candidates =
        alloc_array(network->conv_count, sizeof *candidates, SIZE_MAX / 2);
    if (!candidates)
        return error_set(search->error, STATUS_NO_MEMORY, "no memory to calibrate");
    enum status status = measure_layers(search, budget, candidates, &count);
    qsort(candidates, count, sizeof *candidates, compare_gains);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (candidates[i].gain <= 0 || candidates[i].macs > budget)
            continue;
        choose_arithmetic(search, candidates[i].conv, STEP_BF16);
        budget -= candidates[i].macs;
    }
    free(candidates);
    return status;
}

/* Runs the bias images with the final choices, and takes what that leaves. */
static enum status finish(struct search *search, struct calibration *calibration)
{
    const struct calibration_network *network = search->network;
    size_t images = network->bias_images;
    float *logits =
        alloc_array(images * (size_t)network->graph->classes, sizeof *logits, SIZE_MAX / 2);
    double *db = alloc_array(network->conv_count, sizeof *db, SIZE_MAX / 2);
    calibration->layers =
        alloc_array(network->conv_count, sizeof *calibration->layers, SIZE_MAX / 2);
    enum status status = STATUS_OK;
    if (!logits || !db || !calibration->layers)
        status = error_set(search->error, STATUS_NO_MEMORY, "no memory to calibrate");
    if (status == STATUS_OK)
        status = calibration_draft_run(search->draft, images, logits, search->error);
    if (status == STATUS_OK)
        status = calibration_draft_copy(search->draft, &calibration->quantization, search->error);
    images = images < REPORT_IMAGES ? images : REPORT_IMAGES;
    if (status == STATUS_OK)
        status = calibration_fidelity_layers(network, calibration->quantization, images, db,
                                             search->error);
    for (size_t i = 0; i < network->conv_count && status == STATUS_OK; i++)
        calibration->layers[i] =
            (struct calibration_layer){.is_max = calibration_draft_choice(search->draft, i).is_max,
                                       .sqnr_db = db[i],
                                       .macs = network->convs[i].macs};
    free(logits);
    free(db);
    return status;
}

enum status calibration_init(const struct graph *graph, const struct calibration_options *options,
                             const struct calibration_images *images,
                             struct calibration *ret_calibration, struct error *error)
{
    *ret_calibration = (struct calibration){.images = images->count};
    struct calibration_network network;
    enum status status = calibration_network_init(graph, options, images, &network, error);
    struct search search = {.network = &network, .error = error};
    if (status == STATUS_OK)
        status = calibration_draft_create(&network, &search.draft, error);
    if (status == STATUS_OK) {
        search.logits = alloc_array(network.search_images * (size_t)graph->classes,
                                    sizeof *search.logits, SIZE_MAX / 2);
        if (!search.logits)
            status = error_set(error, STATUS_NO_MEMORY, "no memory to calibrate");
    }
    if (status == STATUS_OK)
        status = choose_steps(&search);
    if (status == STATUS_OK)
        status = choose_bf16(&search);
    if (status == STATUS_OK)
        status = finish(&search, ret_calibration);
    free(search.logits);
    calibration_draft_destroy(search.draft);
    calibration_network_fini(&network);
    return status;
}

void calibration_fini(struct calibration *calibration)
{
    quantization_destroy(calibration->quantization);
    free(calibration->layers);
    *calibration = (struct calibration){0};
}

size_t calibration_image_runs(size_t conv_count, const struct calibration_options *options,
                              size_t images)
{
    size_t tries = 1;
    if (options->activations == CALIBRATION_ACTIVATIONS_BEST)
        tries += conv_count;
    if (options->bf16_share > 0)
        tries += conv_count;
    size_t bias = images < CALIBRATION_MAX_BIAS_IMAGES ? images : CALIBRATION_MAX_BIAS_IMAGES;
    size_t search = options->search_images < bias ? options->search_images : bias;
    return images + bias + tries * search;
}
