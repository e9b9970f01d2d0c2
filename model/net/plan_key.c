#include "model/net/plan_key.h"

#include <string.h>

#include "model/base/fingerprint.h"
#include "model/net/packed_cache.h"

static void add_text(struct fingerprint *key, const char *text)
{
    fingerprint_add(key, text, strlen(text));
}

static void add_numbers(struct fingerprint *key, const uint64_t *numbers, size_t count)
{
    fingerprint_add(key, numbers, count * sizeof *numbers);
}

static void add_tensor(struct fingerprint *key, const struct tensor *tensor)
{
    if (!tensor)
        return;
    const uint64_t numbers[] = {tensor->type,       tensor->height_px,    tensor->width_px,
                                tensor->channels,   tensor->halo_px,      tensor->pixel_stride,
                                tensor->row_stride, tensor->image_stride, tensor->offset_bytes};
    add_numbers(key, numbers, sizeof numbers / sizeof *numbers);
    fingerprint_add(key, &tensor->scale, sizeof tensor->scale);
}

static void add_quantization(struct fingerprint *key, const struct quantization *quantization,
                             const char *name)
{
    const struct quantization_layer *layer =
        quantization ? quantization_find(quantization, name) : NULL;
    if (layer && layer->scale)
        fingerprint_add(key, layer->scale, layer->channels * sizeof *layer->scale);
    if (layer && layer->bias)
        fingerprint_add(key, layer->bias, layer->channels * sizeof *layer->bias);
}

static void add_step(struct fingerprint *key, const struct step *step)
{
    const uint64_t numbers[] = {step->op,
                                step->arithmetic,
                                step->layer,
                                step->residual != NULL,
                                step->projection != NULL,
                                step->projection_stride_px,
                                step->kernel_px,
                                step->stride_px,
                                step->pad_px,
                                step->groups,
                                step->has_relu,
                                step->packed_bytes};
    add_text(key, step->name);
    add_text(key, step->kernel->name);
    add_numbers(key, numbers, sizeof numbers / sizeof *numbers);
    fingerprint_add(key, step->mean, sizeof step->mean);
    fingerprint_add(key, step->std, sizeof step->std);
    add_tensor(key, step->input);
    add_tensor(key, step->output);
    add_tensor(key, step->residual);
    add_tensor(key, step->projection);
}

uint64_t plan_key(const struct plan *plan, const struct plan_options *options)
{
    struct fingerprint key;
    fingerprint_init(&key);
    const uint64_t numbers[] = {plan->set->version, plan->step_count,
                                options->cache ? options->cache->source_key : 0};
    add_text(&key, plan->set->name);
    add_numbers(&key, numbers, sizeof numbers / sizeof *numbers);
    for (size_t i = 0; i < plan->step_count; i++) {
        add_step(&key, &plan->steps[i]);
        add_quantization(&key, options->quantization, plan->steps[i].name);
    }
    return fingerprint_value(&key);
}
