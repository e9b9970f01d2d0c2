#include "model/net/plan_place.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/net/plan_levels.h"

/* What a buffer in the making holds. */
struct place {
    size_t busy_until; /* the last step that reads the buffer's tenant */
    const struct tensor *first_tenant;
};

struct places {
    const struct plan *plan;
    struct place *of_buffer; /* [step_count]: of as many as there may be */
};

static bool reads(const struct step *step, const struct tensor *tensor)
{
    return step->input == tensor || step->residual == tensor || step->projection == tensor;
}

static bool is_kept(const struct plan *plan, const struct tensor *tensor)
{
    return tensor == plan->feature_map || tensor == plan->pooled || tensor == plan->logits;
}

/* The last step that reads `tensor`; SIZE_MAX where it is kept, 0 where nobody reads it. */
static size_t last_use(const struct plan *plan, const struct tensor *tensor)
{
    if (is_kept(plan, tensor))
        return SIZE_MAX;
    size_t step = plan->step_count - 1;
    while (step > 0 && !reads(&plan->steps[step], tensor))
        step--;
    return step;
}

/* Rows of a GEMM: each tensor has its own distance from image to image. */
static bool is_matrix(const struct plan *plan)
{
    return plan->set->layout.image_pixel_multiple != 1;
}

/* The level whose passes the tensor must last for. */
static size_t level_of(const struct plan *plan, const struct tensor *tensor)
{
    size_t use = last_use(plan, tensor);
    return use == SIZE_MAX || is_matrix(plan) ? PLAN_WHOLE_BATCH : plan_levels_of(plan, use);
}

/* Whether `tensor` may live in the buffer: a halo must stay zero, so what has one shares with its
 * like alone. What is kept of a matrix's images lies elsewhere than what later passes write for
 * theirs only in a buffer of its own. */
static bool fits(const struct places *places, uint32_t buffer, const struct tensor *tensor,
                 size_t level)
{
    const struct tensor *tenant = places->of_buffer[buffer].first_tenant;
    if (is_kept(places->plan, tensor) && is_matrix(places->plan))
        return false;
    if (places->plan->buffers[buffer].level != level)
        return false;
    return (tenant->halo_px == 0 && tensor->halo_px == 0) || tensor_has_geometry_of(tenant, tensor);
}

/* A buffer that has room for the step's output, which lasts for passes of `level`; the plan's
 * buffer_count where it takes a new one. */
static uint32_t choose_buffer(const struct places *places, size_t step_index, size_t level)
{
    const struct step *step = &places->plan->steps[step_index];
    if (step->residual && tensor_has_geometry_of(step->residual, step->output) &&
        places->of_buffer[step->residual->buffer].busy_until == step_index &&
        fits(places, step->residual->buffer, step->output, level))
        return step->residual->buffer;
    uint32_t buffer = 0;
    while (buffer < places->plan->buffer_count &&
           (places->of_buffer[buffer].busy_until >= step_index ||
            !fits(places, buffer, step->output, level)))
        buffer++;
    return buffer;
}

static size_t image_bytes(const struct tensor *tensor)
{
    size_t bytes = tensor->image_stride * tensor_element_bytes(tensor->type);
    return (bytes + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}

static struct tensor *output_of(struct plan *plan, size_t step)
{
    return &plan->tensors[plan->steps[step].output - plan->tensors];
}

/* An image lies as far from the next as the buffer's largest tenant wants, for all tenants alike,
 * so that one shift moves a buffer to another pass's images. Rows of a GEMM that go on from image
 * to image cannot have that: they stay for the whole batch. */
static void spread_images(struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        struct tensor *output = output_of(plan, i);
        if (!is_matrix(plan))
            output->image_stride =
                plan->buffers[output->buffer].image_bytes / tensor_element_bytes(output->type);
    }
}

static void place(struct plan *plan, struct places *places)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        struct tensor *output = output_of(plan, i);
        size_t level = level_of(plan, output);
        uint32_t buffer = choose_buffer(places, i, level);
        if (buffer == plan->buffer_count) {
            plan->buffers[plan->buffer_count++].level = level;
            places->of_buffer[buffer].first_tenant = output;
        }
        output->buffer = buffer;
        places->of_buffer[buffer].busy_until = last_use(plan, output);
        if (image_bytes(output) > plan->buffers[buffer].image_bytes)
            plan->buffers[buffer].image_bytes = image_bytes(output);
    }
    spread_images(plan);
}

enum status plan_place(struct plan *plan, struct error *error)
{
    struct places places = {.plan = plan};
    places.of_buffer = alloc_array(plan->step_count, sizeof *places.of_buffer, SIZE_MAX / 2);
    plan->buffers = alloc_array(plan->step_count, sizeof *plan->buffers, SIZE_MAX / 2);
    enum status status = STATUS_OK;
    if (places.of_buffer && plan->buffers)
        place(plan, &places);
    else
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the buffers of %zu steps",
                           plan->step_count);
    free(places.of_buffer);
    return status;
}
