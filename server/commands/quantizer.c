#include "server/commands/quantizer.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "server/commands/image_file.h"

static enum status no_memory(size_t images, struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", images);
}

/* A shuffle (Fisher and Yates) from a fixed start: folders are mostly sorted by class. xorshift64
 * (Marsaglia 2003). */
static size_t *mixed_order(size_t count)
{
    size_t *order = alloc_array(count, sizeof *order, SIZE_MAX / 2);
    uint64_t random = 88172645463325252U;
    for (size_t i = 0; order && i < count; i++)
        order[i] = i;
    for (size_t i = count; order && i > 1; i--) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t other = (random >> 11) % i, kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
    return order;
}

static enum status read_images(struct quantizer *quantizer, const struct dataset *dataset,
                               const size_t *order, size_t slot_bytes)
{
    const struct quantizer_options *options = quantizer->options;
    for (size_t i = 0; i < dataset->count; i++) {
        const char *path = dataset->images[order[i]].path;
        uint8_t *slot = (uint8_t *)quantizer->pixels.data + quantizer->images * slot_bytes;
        struct error error = {0};
        if (image_file_prepare(path, model_recipe(quantizer->model), options->orient, false, slot,
                               &error) == STATUS_OK) {
            quantizer->slots[quantizer->images++] = (struct step_slot){TENSOR_U8, slot};
        } else {
            quantizer->unreadable++;
            options->complain(options->user, path, &error);
        }
    }
    return STATUS_OK;
}

enum status quantizer_init(struct quantizer *quantizer, const struct model *model,
                           const struct dataset *dataset, const struct quantizer_options *options,
                           struct error *error)
{
    *quantizer = (struct quantizer){.model = model, .options = options};
    size_t slot_bytes = engine_slot_bytes(model_engine(model), TENSOR_U8), total;
    if (!checked_mul(slot_bytes, dataset->count, &total))
        return no_memory(dataset->count, error);
    enum status status = region_init(total, false, &quantizer->pixels, error);
    size_t *order = mixed_order(dataset->count);
    quantizer->slots = alloc_array(dataset->count, sizeof *quantizer->slots, SIZE_MAX / 2);
    if (status == STATUS_OK && (!order || !quantizer->slots))
        status = no_memory(dataset->count, error);
    if (status == STATUS_OK)
        status = read_images(quantizer, dataset, order, slot_bytes);
    free(order);
    if (status == STATUS_OK && quantizer->images < QUANTIZER_MIN_IMAGES)
        status =
            error_set(error, STATUS_BAD_REQUEST,
                      "%zu image%s could be read; a calibration needs %d at least, and is "
                      "good with 64 and more",
                      quantizer->images, quantizer->images == 1 ? "" : "s", QUANTIZER_MIN_IMAGES);
    return status;
}

static size_t conv_count(const struct quantizer *quantizer)
{
    const struct plan *plan = engine_plan(model_engine(quantizer->model));
    size_t count = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        count += plan->steps[i].op == STEP_CONV || plan->steps[i].op == STEP_CONV_INPUT;
    return count;
}

size_t quantizer_image_runs(const struct quantizer *quantizer)
{
    const struct calibration_options *options = &quantizer->options->calibration;
    size_t count = conv_count(quantizer), images = quantizer->images;
    size_t runs = calibration_image_runs(count, options, images);
    if (quantizer->options->is_checked)
        runs += 2 * calibration_image_runs(count, options, images / 2) + 3 * images;
    return runs;
}

/* Calibrates with `own` and adds to quantizer->int8 what `others` say; `reference` and `logits` are
 * of the others. */
static enum status check_fold(struct quantizer *quantizer, const struct calibration_images *own,
                              const struct calibration_images *others, const float *reference,
                              float *logits, struct error *error)
{
    const struct graph *graph = model_graph(quantizer->model);
    const struct calibration_options *options = &quantizer->options->calibration;
    struct calibration calibration;
    enum status status = calibration_init(graph, options, own, &calibration, error);
    if (status == STATUS_OK)
        status = calibration_fidelity_run(graph, options, "int8", calibration.quantization, others,
                                          logits, error);
    if (status == STATUS_OK)
        calibration_fidelity_add(&quantizer->int8, reference, logits, others->count,
                                 graph->classes);
    calibration_fini(&calibration);
    return status;
}

static enum status check(struct quantizer *quantizer, float *reference, float *logits,
                         struct error *error)
{
    const struct graph *graph = model_graph(quantizer->model);
    const struct calibration_options *options = &quantizer->options->calibration;
    const struct calibration_images all = {quantizer->slots, quantizer->images};
    const struct calibration_images first = {all.slots, all.count / 2};
    const struct calibration_images second = {all.slots + first.count, all.count - first.count};
    enum status status =
        calibration_fidelity_run(graph, options, "float32", NULL, &all, reference, error);
    if (status == STATUS_OK)
        status = calibration_fidelity_run(graph, options, "bf16", NULL, &all, logits, error);
    if (status == STATUS_OK)
        calibration_fidelity_add(&quantizer->bf16, reference, logits, all.count, graph->classes);
    if (status == STATUS_OK)
        status = check_fold(quantizer, &first, &second, reference + first.count * graph->classes,
                            logits, error);
    if (status == STATUS_OK)
        status = check_fold(quantizer, &second, &first, reference, logits, error);
    return status;
}

enum status quantizer_run(struct quantizer *quantizer, struct error *error)
{
    const struct graph *graph = model_graph(quantizer->model);
    const struct calibration_images all = {quantizer->slots, quantizer->images};
    size_t count;
    enum status status = STATUS_OK;
    if (quantizer->options->is_checked) {
        if (!checked_mul(quantizer->images, graph->classes, &count))
            return no_memory(quantizer->images, error);
        float *reference = alloc_array(count, sizeof *reference, SIZE_MAX / 2);
        float *logits = alloc_array(count, sizeof *logits, SIZE_MAX / 2);
        status = reference && logits ? check(quantizer, reference, logits, error)
                                     : no_memory(quantizer->images, error);
        free(reference);
        free(logits);
    }
    if (status == STATUS_OK)
        status = calibration_init(graph, &quantizer->options->calibration, &all,
                                  &quantizer->calibration, error);
    return status;
}

void quantizer_fini(struct quantizer *quantizer)
{
    calibration_fini(&quantizer->calibration);
    free(quantizer->slots);
    region_fini(&quantizer->pixels);
    *quantizer = (struct quantizer){0};
}
