#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/net/plan.h"
#include "model/net/weights_random.h"

struct fixture {
    struct weights *weights;
    struct graph *graph;
    const struct kernel_set *set;
    struct plan plan;
};

static struct fixture make(bool is_bottleneck, uint64_t seed, const char *kernels,
                           uint32_t input_px)
{
    struct fixture fixture = {0};
    struct weights_random_spec spec = {.is_bottleneck = is_bottleneck,
                                       .blocks = {2, 1, 1, 1},
                                       .groups = 1,
                                       .width_per_group = 64,
                                       .classes = 10,
                                       .seed = seed};
    struct plan_options options = {.input_px = input_px, .std = {1, 1, 1}};
    assert_int_equal(weights_random_create(&spec, &fixture.weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(fixture.weights, &fixture.graph, NULL), STATUS_OK);
    assert_int_equal(kernels_choose(kernels, &fixture.set, NULL), STATUS_OK);
    assert_int_equal(plan_init(fixture.graph, fixture.set, &options, &fixture.plan, NULL),
                     STATUS_OK);
    return fixture;
}

static void drop(struct fixture *fixture)
{
    plan_fini(&fixture->plan);
    graph_destroy(fixture->graph);
    weights_destroy(fixture->weights);
}

static const struct step *step_named(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (strcmp(plan->steps[i].name, name) == 0)
            return &plan->steps[i];
    return NULL;
}

static void shortcuts_are_part_of_the_last_convolution(void **state)
{
    (void)state;
    struct fixture fixture = make(true, 1, "generic", 64);
    assert_null(step_named(&fixture.plan, "layer2.0.downsample.0"));
    const struct step *step = step_named(&fixture.plan, "layer2.0.conv3");
    assert_non_null(step->projection);
    assert_int_equal(step->projection_stride_px, 2);
    assert_int_equal(step->projection->channels, 256);
    assert_null(step->residual);
    /* An identity is added in place: nobody reads it afterwards. */
    step = step_named(&fixture.plan, "layer1.1.conv3");
    assert_non_null(step->residual);
    assert_int_equal(step->residual->buffer, step->output->buffer);
    drop(&fixture);
}

/* No tensor may share a buffer with another that is still to be read. */
static void living_tensors_have_their_own_buffers(void **state)
{
    (void)state;
    for (int is_bottleneck = 0; is_bottleneck < 2; is_bottleneck++) {
        struct fixture fixture = make(is_bottleneck, 1, "blas", 96);
        const struct plan *plan = &fixture.plan;
        for (size_t i = 0; i < plan->step_count; i++) {
            const struct step *step = &plan->steps[i];
            assert_in_range(step->output->buffer, 0, plan->buffer_count - 1);
            assert_true(step->output->image_stride * sizeof(float) <=
                        plan->buffers[step->output->buffer].image_bytes);
            if (i > 0)
                assert_int_not_equal(step->output->buffer, step->input->buffer);
            if (step->projection)
                assert_int_not_equal(step->output->buffer, step->projection->buffer);
            bool is_read_again = false;
            for (size_t later = i + 1; later < plan->step_count; later++)
                is_read_again = is_read_again || plan->steps[later].input == step->residual ||
                                plan->steps[later].residual == step->residual;
            if (step->residual && is_read_again)
                assert_int_not_equal(step->output->buffer, step->residual->buffer);
            for (size_t later = i + 1; later < plan->step_count; later++) {
                const struct step *reader = &plan->steps[later];
                bool is_read = reader->input == step->output || reader->residual == step->output ||
                               reader->projection == step->output;
                for (size_t between = i + 1; is_read && between < later; between++)
                    if (plan->steps[between].output != step->output)
                        assert_int_not_equal(plan->steps[between].output->buffer,
                                             step->output->buffer);
            }
        }
        drop(&fixture);
    }
}

static size_t level_of(const struct plan *plan, size_t step)
{
    size_t level = 0;
    while (step >= plan->levels[level].first_step + plan->levels[level].step_count)
        level++;
    return level;
}

/* Large images go through the first steps in small passes; a tensor lasts for the passes of whoever
 * reads it last. */
static void levels_cover_the_steps_and_outlast_their_readers(void **state)
{
    (void)state;
    struct fixture fixture = make(true, 1, "auto", 224);
    const struct plan *plan = &fixture.plan;
    size_t next = 0;
    for (size_t i = 0; i < plan->level_count; i++) {
        assert_int_equal(plan->levels[i].first_step, next);
        assert_true(i == 0 || plan->levels[i].images > plan->levels[i - 1].images);
        next += plan->levels[i].step_count;
    }
    assert_int_equal(next, plan->step_count);
    assert_in_range(plan->level_count, 2, PLAN_MAX_LEVELS);
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        const struct tensor *read[] = {step->input, step->residual, step->projection};
        for (size_t k = 0; k < 3; k++)
            if (read[k] && step->op != STEP_CONV_INPUT)
                assert_true(plan->buffers[read[k]->buffer].level >= level_of(plan, i));
    }
    assert_true(plan->buffers[plan->feature_map->buffer].level == PLAN_WHOLE_BATCH);
    assert_true(plan->buffers[plan->logits->buffer].level == PLAN_WHOLE_BATCH);
    drop(&fixture);
}

static void packed_weights_are_tagged_and_relocatable(void **state)
{
    (void)state;
    struct fixture first = make(false, 1, "blas", 64), again = make(false, 1, "blas", 64);
    struct fixture wide = make(false, 1, "blas", 96), generic = make(false, 1, "generic", 64);
    const struct packed_cache_header *header = plan_header(&first.plan);
    assert_memory_equal(header->magic, "CLFDPACK", 8);
    assert_string_equal(header->kernel_set, "blas");
    assert_int_equal(header->layout_version, first.set->version);
    assert_int_equal(header->size_bytes, first.plan.packed.size_bytes);
    assert_int_equal(header->key, plan_header(&again.plan)->key);
    assert_int_not_equal(header->key, plan_header(&generic.plan)->key);
    assert_int_not_equal(header->key, plan_header(&wide.plan)->key);
    assert_string_equal(plan_header(&generic.plan)->kernel_set, "generic");
    /* Mapped at two addresses, the same bytes: no pointer is among them. */
    assert_ptr_not_equal(first.plan.packed.data, again.plan.packed.data);
    assert_memory_equal(first.plan.packed.data, again.plan.packed.data, header->size_bytes);
    for (size_t i = 0; i < first.plan.step_count; i++)
        assert_int_equal((uintptr_t)first.plan.steps[i].packed % PLAN_ALIGNMENT, 0);
    drop(&first);
    drop(&again);
    drop(&wide);
    drop(&generic);
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    struct fixture fixture = make(false, 1, "generic", 64);
    const struct weights_tensor *tensor = weights_find(fixture.weights, "layer1.0.conv2.weight");
    uint32_t not_a_number = 0x7fc00000;
    memcpy((void *)(uintptr_t)(tensor->data.data + 40), &not_a_number, sizeof not_a_number);
    struct plan_options options = {.input_px = 64, .std = {1, 1, 1}};
    struct plan plan = {0};
    struct error error = {0};
    assert_int_equal(plan_init(fixture.graph, fixture.set, &options, &plan, &error),
                     STATUS_BAD_MODEL);
    assert_string_equal(error.text, "layer1.0.conv2.weight: element 10 is not a finite number");
    assert_null(plan.steps);
    drop(&fixture);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shortcuts_are_part_of_the_last_convolution),
        cmocka_unit_test(living_tensors_have_their_own_buffers),
        cmocka_unit_test(levels_cover_the_steps_and_outlast_their_readers),
        cmocka_unit_test(packed_weights_are_tagged_and_relocatable),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
