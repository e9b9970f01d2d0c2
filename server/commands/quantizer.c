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

static enum status prepare(const struct quantizer *quantizer, size_t image, uint8_t *ret_pixels,
                           struct error *error)
{
    return image_file_prepare(quantizer->dataset->images[image].path,
                              model_recipe(quantizer->model), quantizer->options->orient, false,
                              ret_pixels, error);
}

static uint8_t *kept_pixels(const struct quantizer *quantizer, size_t index)
{
    return (uint8_t *)quantizer->pixels.data + index * quantizer->slot_bytes;
}

/* Finds out which images can be read; the pixels of the first of them stay. */
static void read_images(struct quantizer *quantizer, const size_t *order)
{
    const struct quantizer_options *options = quantizer->options;
    for (size_t i = 0; i < quantizer->dataset->count; i++) {
        struct error error = {0};
        bool is_kept = quantizer->images < quantizer->most_kept;
        uint8_t *pixels =
            kept_pixels(quantizer, is_kept ? quantizer->images : quantizer->most_kept);
        if (prepare(quantizer, order[i], pixels, &error) == STATUS_OK) {
            quantizer->order[quantizer->images++] = order[i];
        } else {
            quantizer->unreadable++;
            options->complain(options->user, quantizer->dataset->images[order[i]].path, &error);
        }
    }
}

/* As struct calibration_images wants it. */
static enum status read_image(void *user, size_t index, uint8_t *ret_pixels, struct error *error)
{
    const struct quantizer *quantizer = user;
    if (index < quantizer->most_kept) {
        memcpy(ret_pixels, kept_pixels(quantizer, index), quantizer->slot_bytes);
        return STATUS_OK;
    }
    enum status status = prepare(quantizer, quantizer->order[index], ret_pixels, error);
    if (status != STATUS_OK)
        error_prefix(error, "%s", quantizer->dataset->images[quantizer->order[index]].path);
    return status;
}

static struct calibration_images images_of(struct quantizer *quantizer, size_t first, size_t count)
{
    return (struct calibration_images){first, count, read_image, quantizer};
}

enum status quantizer_init(struct quantizer *quantizer, const struct model *model,
                           const struct dataset *dataset, const struct quantizer_options *options,
                           struct error *error)
{
    size_t slot_bytes = engine_slot_bytes(model_engine(model), TENSOR_U8);
    size_t most_kept = options->kept_bytes / slot_bytes;
    most_kept = most_kept < dataset->count ? most_kept : dataset->count;
    *quantizer = (struct quantizer){.model = model,
                                    .options = options,
                                    .dataset = dataset,
                                    .slot_bytes = slot_bytes,
                                    .most_kept = most_kept};
    /* Not in the order of the folder; and room for one image that does not stay. */
    size_t *order = mixed_order(dataset->count);
    quantizer->order = alloc_array(dataset->count, sizeof *quantizer->order, SIZE_MAX / 2);
    enum status status = order && quantizer->order ? STATUS_OK : no_memory(dataset->count, error);
    if (status == STATUS_OK)
        status = region_init((most_kept + 1) * slot_bytes, false, &quantizer->pixels, error);
    if (status == STATUS_OK)
        read_images(quantizer, order);
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

/* Calibrates with `own` and adds to quantizer->int8 what `others` say, against `reference`, which
 * is of them. */
static enum status check_fold(struct quantizer *quantizer, const struct calibration_images *own,
                              const struct calibration_images *others, const float *reference,
                              struct error *error)
{
    const struct graph *graph = model_graph(quantizer->model);
    const struct calibration_options *options = &quantizer->options->calibration;
    struct calibration calibration;
    enum status status = calibration_init(graph, options, own, &calibration, error);
    const struct calibration_fidelity_case given = {graph, options, "int8",
                                                    calibration.quantization};
    if (status == STATUS_OK)
        status = calibration_fidelity_compare(&given, others, reference, &quantizer->int8, error);
    calibration_fini(&calibration);
    return status;
}

/* `reference` has room for the logits of all images. */
static enum status check(struct quantizer *quantizer, float *reference, struct error *error)
{
    const struct graph *graph = model_graph(quantizer->model);
    const struct calibration_options *options = &quantizer->options->calibration;
    size_t half = quantizer->images / 2;
    const struct calibration_images all = images_of(quantizer, 0, quantizer->images);
    const struct calibration_images first = images_of(quantizer, 0, half);
    const struct calibration_images second = images_of(quantizer, half, all.count - half);
    const struct calibration_fidelity_case float32 = {graph, options, "float32", NULL};
    const struct calibration_fidelity_case bf16 = {graph, options, "bf16", NULL};
    enum status status = calibration_fidelity_run(&float32, &all, reference, error);
    if (status == STATUS_OK)
        status = calibration_fidelity_compare(&bf16, &all, reference, &quantizer->bf16, error);
    if (status == STATUS_OK)
        status = check_fold(quantizer, &first, &second, reference + half * graph->classes, error);
    if (status == STATUS_OK)
        status = check_fold(quantizer, &second, &first, reference, error);
    return status;
}

enum status quantizer_run(struct quantizer *quantizer, struct error *error)
{
    const struct graph *graph = model_graph(quantizer->model);
    const struct calibration_images all = images_of(quantizer, 0, quantizer->images);
    size_t count;
    enum status status = STATUS_OK;
    if (quantizer->options->is_checked) {
        if (!checked_mul(quantizer->images, graph->classes, &count))
            return no_memory(quantizer->images, error);
        float *reference = alloc_array(count, sizeof *reference, SIZE_MAX / 2);
        status =
            reference ? check(quantizer, reference, error) : no_memory(quantizer->images, error);
        free(reference);
    }
    if (status == STATUS_OK)
        status = calibration_init(graph, &quantizer->options->calibration, &all,
                                  &quantizer->calibration, error);
    return status;
}

void quantizer_fini(struct quantizer *quantizer)
{
    calibration_fini(&quantizer->calibration);
    free(quantizer->order);
    region_fini(&quantizer->pixels);
    *quantizer = (struct quantizer){0};
}
