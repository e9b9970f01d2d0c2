#include "model/net/plan_levels.h"

/* Measured: see BENCHMARKS.md. */
enum {
    PASS_BYTES = 2 << 20, /* of what a step reads and writes in a pass: a part of the caches */
    MOST_IMAGES = 16,
};

static size_t image_bytes(const struct tensor *tensor)
{
    return tensor ? tensor->image_stride * tensor_element_bytes(tensor->type) : 0;
}

/* Images that the step should take together: a power of two. */
static uint32_t images_of(const struct step *step)
{
    size_t bytes = image_bytes(step->input) + image_bytes(step->output) +
                   image_bytes(step->residual) + image_bytes(step->projection);
    uint32_t images = 1;
    while (images < MOST_IMAGES && 2 * images * bytes <= PASS_BYTES)
        images *= 2;
    return images;
}

/* Rows of a GEMM go on from image to image, so its tensors share buffers without a place an image
 * that all of them keep to: a pass would overwrite what an earlier one left for a later level. They
 * have one level, and a GEMM over the whole batch is the faster one, too. */
static bool is_for_gemm(const struct plan *plan)
{
    return plan->set->layout.image_pixel_multiple != 1;
}

void plan_levels_choose(uint32_t images_per_pass, struct plan *plan)
{
    if (images_per_pass == 0 && is_for_gemm(plan))
        images_per_pass = UINT32_MAX;
    plan->level_count = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        uint32_t images = images_per_pass ? images_per_pass : images_of(&plan->steps[i]);
        struct plan_level *last = plan->level_count ? &plan->levels[plan->level_count - 1] : NULL;
        if (!last || (images > last->images && plan->level_count < PLAN_MAX_LEVELS))
            plan->levels[plan->level_count++] =
                (struct plan_level){.first_step = i, .step_count = 1, .images = images};
        else
            last->step_count++;
    }
}

size_t plan_levels_of(const struct plan *plan, size_t step)
{
    size_t level = 0;
    while (step >= plan->levels[level].first_step + plan->levels[level].step_count)
        level++;
    return level;
}
