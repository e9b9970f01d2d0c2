#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/net/weights_random.h"
#include "model/net/weights_table.h"
#include "tests/unit/engine_fixture.h"

enum { PX = 64, CLASSES = 10, BATCH = 3 };

struct fixture {
    struct engine *engine;
    struct engine_scratch *scratch;
    uint8_t pixels[BATCH][PX * PX * 3 + ENGINE_SLOT_SLACK_BYTES];
    struct step_slot slots[BATCH];
};

static const struct engine_options options = {.input_px = PX,
                                              .mean = {0.485f, 0.456f, 0.406f},
                                              .std = {0.229f, 0.224f, 0.225f},
                                              .kernels = "auto"};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->engine = engine_fixture_create(&options, CLASSES);
    assert_int_equal(engine_scratch_create(fixture->engine, BATCH, 2, &fixture->scratch, NULL),
                     STATUS_OK);
    for (size_t i = 0; i < BATCH; i++) {
        engine_fixture_draw(i, PX, fixture->pixels[i]);
        fixture->slots[i] = (struct step_slot){TENSOR_U8, fixture->pixels[i]};
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    engine_scratch_destroy(fixture->scratch);
    engine_destroy(fixture->engine);
    free(fixture);
    return 0;
}

static void slots_of_bytes_and_of_floats_agree(void **state)
{
    struct fixture *fixture = *state;
    float bytes[CLASSES], floats[CLASSES];
    static float normalised[PX * PX * 3];
    for (size_t i = 0; i < PX * PX * 3; i++)
        normalised[i] =
            ((float)fixture->pixels[0][i] / 255.0f - options.mean[i % 3]) / options.std[i % 3];
    engine_run(fixture->engine, fixture->scratch, 1, fixture->slots,
               &(struct engine_outputs){.logits = bytes});
    const struct step_slot slot = {TENSOR_F32, normalised};
    engine_run(fixture->engine, fixture->scratch, 1, &slot,
               &(struct engine_outputs){.logits = floats});
    assert_memory_equal(bytes, floats, sizeof bytes);
    assert_int_equal(engine_slot_bytes(fixture->engine, TENSOR_U8),
                     PX * PX * 3 + ENGINE_SLOT_SLACK_BYTES);
}

/* The pooled features are the feature map's means, the logits follow from them: all three are of
 * one image. */
static void outputs_belong_together(void **state)
{
    struct fixture *fixture = *state;
    uint32_t features = engine_features(fixture->engine), side = engine_feature_px(fixture->engine);
    assert_int_equal(features, 512);
    assert_int_equal(side, 2);
    float *map = calloc(BATCH * side * side * features, sizeof *map);
    float *pooled = calloc(BATCH * features, sizeof *pooled);
    float logits[BATCH][CLASSES], alone[CLASSES];
    assert_non_null(map);
    assert_non_null(pooled);
    engine_run(fixture->engine, fixture->scratch, BATCH, fixture->slots,
               &(struct engine_outputs){.logits = logits[0], .pooled = pooled, .feature_map = map});
    for (size_t i = 0; i < BATCH; i++) {
        for (size_t c = 0; c < features; c++) {
            float sum = 0;
            for (size_t p = 0; p < side * side; p++)
                sum += map[(i * side * side + p) * features + c];
            assert_true(fabsf(sum / (float)(side * side) - pooled[i * features + c]) < 1e-5f);
        }
        engine_run(fixture->engine, fixture->scratch, 1, &fixture->slots[i],
                   &(struct engine_outputs){.logits = alone});
        assert_memory_equal(alone, logits[i], sizeof alone);
    }
    assert_memory_not_equal(logits[0], logits[1], sizeof logits[0]);
    free(map);
    free(pooled);
}

struct seen {
    size_t steps;
    const struct step *last;
};

static void count_step(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    struct seen *seen = user;
    assert_non_null(run->buffers);
    assert_int_equal(run->images, 2);
    seen->steps++;
    seen->last = run->step;
}

static void the_observer_sees_every_step(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    float logits[2][CLASSES];
    engine_scratch_observe(fixture->scratch,
                           (struct engine_observer){.step_done = count_step, .user = &seen});
    engine_run(fixture->engine, fixture->scratch, 2, fixture->slots,
               &(struct engine_outputs){.logits = logits[0]});
    assert_int_equal(seen.steps, engine_plan(fixture->engine)->step_count);
    assert_string_equal(seen.last->name, "fc");
    engine_scratch_observe(fixture->scratch, (struct engine_observer){0});
}

/* Levels with other numbers of images a pass, nested by hand since these images are too small to be
 * split: the same bits. */
static void nested_levels_run_every_step_for_every_image(void **state)
{
    struct fixture *fixture = *state;
    float expected[BATCH][CLASSES], found[BATCH][CLASSES];
    engine_run(fixture->engine, fixture->scratch, BATCH, fixture->slots,
               &(struct engine_outputs){.logits = expected[0]});
    for (uint32_t inner = 1; inner <= 3; inner++) {
        struct engine *engine = engine_fixture_create(&options, CLASSES);
        /* The plan is immutable for everyone else. Its tensors stay for the whole batch, as they
         * must where a later level reads them. */
        struct plan *plan = (struct plan *)(uintptr_t)engine_plan(engine);
        size_t half = plan->step_count / 2, rest = plan->step_count - half;
        plan->levels[0] = (struct plan_level){0, half, inner};
        plan->levels[1] = (struct plan_level){half, rest, 4};
        plan->level_count = 2;
        for (size_t i = 0; i < plan->buffer_count; i++)
            plan->buffers[i].level = PLAN_WHOLE_BATCH;
        struct engine_scratch *scratch = NULL;
        assert_int_equal(engine_scratch_create(engine, BATCH, 2, &scratch, NULL), STATUS_OK);
        memset(found, 0, sizeof found);
        engine_run(engine, scratch, BATCH, fixture->slots,
                   &(struct engine_outputs){.logits = found[0]});
        assert_memory_equal(found, expected, sizeof found);
        engine_scratch_destroy(scratch);
        engine_destroy(engine);
    }
}

/* Logits that are larger than most tensors, of a set whose images lie at distances of their own:
 * no pass writes over what an earlier one gave. */
static void passes_keep_what_earlier_ones_gave(void **state)
{
    enum { MANY_CLASSES = 20000 };
    struct fixture *fixture = *state;
    struct engine_options with = options;
    const struct kernel_set *set;
    with.kernels = "blas";
    if (kernels_choose(with.kernels, &set, NULL) != STATUS_OK)
        skip();
    static float logits[2][BATCH][MANY_CLASSES];
    for (uint32_t pass = 0; pass < 2; pass++) {
        struct engine_scratch *scratch = NULL;
        with.images_per_pass = pass;
        struct engine *engine = engine_fixture_create(&with, MANY_CLASSES);
        assert_int_equal(engine_scratch_create(engine, BATCH, 1, &scratch, NULL), STATUS_OK);
        engine_run(engine, scratch, BATCH, fixture->slots,
                   &(struct engine_outputs){.logits = logits[pass][0]});
        engine_scratch_destroy(scratch);
        engine_destroy(engine);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
}

enum { WIDE_BLOCKS = 60, WIDE_CHANNELS = 8 };

/* Adds `name` with numbers of no meaning, dense. */
static void add_tensor(struct weights *weights, const char *name, unsigned rank,
                       const uint64_t *shape)
{
    static float values[WIDE_CHANNELS * (WIDE_CHANNELS + WIDE_BLOCKS) * 9];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = (float)(i * 7919 % 2003) / 10000.0f - 0.1f;
    struct weights_tensor tensor = {.name = name,
                                    .type = WEIGHTS_F32,
                                    .rank = rank,
                                    .data = {(const uint8_t *)values, sizeof values}};
    memcpy(tensor.shape, shape, rank * sizeof *shape);
    weights_table_set_dense_strides(&tensor);
    assert_int_equal(weights_table_add(weights, &tensor, sizeof(float), NULL), STATUS_OK);
}

static void add_conv(struct weights *weights, const char *prefix, uint64_t out, uint64_t in,
                     uint64_t kernel_px)
{
    char name[96];
    (void)snprintf(name, sizeof name, "%s.weight", prefix);
    add_tensor(weights, name, 4, (const uint64_t[]){out, in, kernel_px, kernel_px});
    (void)snprintf(name, sizeof name, "%s.bias", prefix);
    add_tensor(weights, name, 1, &out);
}

/* A stage whose blocks are each of another width inside, as pruning leaves them. */
static struct weights *make_pruned_weights(void)
{
    struct weights *weights = NULL;
    assert_int_equal(weights_table_create("random", &weights, NULL), STATUS_OK);
    add_conv(weights, "conv1", WIDE_CHANNELS, 3, 7);
    for (unsigned i = 0; i < WIDE_BLOCKS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "layer1.%u.conv1", i);
        add_conv(weights, name, WIDE_CHANNELS + i, WIDE_CHANNELS, 3);
        (void)snprintf(name, sizeof name, "layer1.%u.conv2", i);
        add_conv(weights, name, WIDE_CHANNELS, WIDE_CHANNELS + i, 3);
    }
    add_tensor(weights, "fc.weight", 2, (const uint64_t[]){CLASSES, WIDE_CHANNELS});
    add_tensor(weights, "fc.bias", 1, (const uint64_t[]){CLASSES});
    assert_int_equal(weights_table_finish(weights, NULL), STATUS_OK);
    return weights;
}

/* Each width wants zeros around it at other places, so none can share a buffer with another; the
 * plain set has no such zeros and needs a handful of buffers. */
static void a_network_may_need_many_buffers(void **state)
{
    struct fixture *fixture = *state;
    struct weights *weights = make_pruned_weights();
    struct graph *graph = NULL;
    float logits[2][BATCH][CLASSES], largest = 0;
    assert_int_equal(graph_create(weights, &graph, NULL), STATUS_OK);
    for (size_t i = 0; i < 2; i++) {
        struct engine_options with = options;
        struct engine *engine = NULL;
        struct engine_scratch *scratch = NULL;
        with.kernels = i == 0 ? "generic" : "avx2";
        if (kernels_choose(with.kernels, &(const struct kernel_set *){NULL}, NULL) != STATUS_OK)
            skip();
        assert_int_equal(engine_create(graph, &with, &engine, NULL), STATUS_OK);
        assert_true((engine_plan(engine)->buffer_count > WIDE_BLOCKS) == (i == 1));
        assert_int_equal(engine_scratch_create(engine, BATCH, 2, &scratch, NULL), STATUS_OK);
        engine_run(engine, scratch, BATCH, fixture->slots,
                   &(struct engine_outputs){.logits = logits[i][0]});
        engine_scratch_destroy(scratch);
        engine_destroy(engine);
    }
    for (size_t i = 0; i < BATCH * CLASSES; i++)
        largest = fmaxf(largest, fabsf(logits[0][i / CLASSES][i % CLASSES]));
    for (size_t i = 0; i < BATCH * CLASSES; i++)
        assert_true(fabsf(logits[0][i / CLASSES][i % CLASSES] -
                          logits[1][i / CLASSES][i % CLASSES]) <= 1e-4f * largest);
    assert_true(largest > 0);
    graph_destroy(graph);
    weights_destroy(weights);
}

static void unknown_kernels_are_refused(void **state)
{
    (void)state;
    const struct kernel_set *set = NULL;
    struct error error = {0};
    assert_int_equal(kernels_choose("avx9", &set, &error), STATUS_BAD_REQUEST);
    assert_string_equal(error.text,
                        "no kernel set 'avx9'; there are auto, amx, avx512, avx2, blas and "
                        "generic");
    assert_null(set);
}

static void an_input_that_is_too_small_is_refused(void **state)
{
    (void)state;
    struct weights_random_spec spec = {
        .blocks = {1, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = CLASSES, .seed = 3};
    struct weights *weights = NULL;
    struct graph *graph = NULL;
    struct engine *engine = NULL;
    struct error error = {0};
    struct engine_options small = options;
    small.input_px = 0;
    assert_int_equal(weights_random_create(&spec, &weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(weights, &graph, NULL), STATUS_OK);
    assert_int_equal(engine_create(graph, &small, &engine, &error), STATUS_BAD_MODEL);
    assert_string_equal(error.text, "an input of 0 px is too small for layer conv1");
    graph_destroy(graph);
    weights_destroy(weights);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_of_bytes_and_of_floats_agree),
        cmocka_unit_test(outputs_belong_together),
        cmocka_unit_test(the_observer_sees_every_step),
        cmocka_unit_test(nested_levels_run_every_step_for_every_image),
        cmocka_unit_test(passes_keep_what_earlier_ones_gave),
        cmocka_unit_test(a_network_may_need_many_buffers),
        cmocka_unit_test(unknown_kernels_are_refused),
        cmocka_unit_test(an_input_that_is_too_small_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
