#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/calibration/calibration.h"
#include "model/net/engine_check.h"
#include "model/net/slot_block.h"
#include "model/net/weights_random.h"

enum { PX = 64, CLASSES = 100, BATCH = 3 };

struct fixture {
    struct weights *weights;
    struct graph *graph;
    struct engine *engine;
    struct engine_scratch *scratch;
};

static struct fixture make(const char *kernels, struct weights_random_spec spec,
                           uint32_t images_per_pass, unsigned threads)
{
    struct fixture fixture = {0};
    const struct engine_options options = {.input_px = PX,
                                           .mean = {0.485f, 0.456f, 0.406f},
                                           .std = {0.229f, 0.224f, 0.225f},
                                           .kernels = kernels,
                                           .images_per_pass = images_per_pass};
    assert_int_equal(weights_random_create(&spec, &fixture.weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(fixture.weights, &fixture.graph, NULL), STATUS_OK);
    assert_int_equal(engine_create(fixture.graph, &options, &fixture.engine, NULL), STATUS_OK);
    assert_int_equal(engine_scratch_create(fixture.engine, BATCH, threads, &fixture.scratch, NULL),
                     STATUS_OK);
    return fixture;
}

static void drop(struct fixture *fixture)
{
    engine_scratch_destroy(fixture->scratch);
    engine_destroy(fixture->engine);
    graph_destroy(fixture->graph);
    weights_destroy(fixture->weights);
}

static const struct weights_random_spec basic = {
    .blocks = {2, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = CLASSES, .seed = 3};
static const struct weights_random_spec grouped = {.is_bottleneck = true,
                                                   .blocks = {2, 1, 1, 1},
                                                   .groups = 32,
                                                   .width_per_group = 4,
                                                   .classes = 10,
                                                   .seed = 4};

static enum status check(const struct fixture *fixture, const struct engine_golden *golden,
                         struct engine_check_report *ret_report, struct error *error)
{
    return engine_check(fixture->engine, fixture->graph, fixture->scratch, BATCH, golden,
                        ret_report, error);
}

static void expect_pass(const struct fixture *fixture, const struct engine_golden *golden,
                        struct engine_check_report *ret_report)
{
    struct error error = {0};
    if (check(fixture, golden, ret_report, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

/* The plan is immutable for everyone else. */
static struct step *step_at(const struct fixture *fixture, size_t index)
{
    return (struct step *)(uintptr_t)&engine_plan(fixture->engine)->steps[index];
}

static struct step *step_named(const struct fixture *fixture, const char *name)
{
    for (size_t i = 0; i < engine_plan(fixture->engine)->step_count; i++)
        if (strcmp(step_at(fixture, i)->name, name) == 0)
            return step_at(fixture, i);
    fail_msg("no step %s", name);
    return NULL;
}

/* Puts an engine of that precision into the fixture. */
static void change_precision(struct fixture *fixture, const char *kernels, const char *precision,
                             const struct quantization *quantization)
{
    const struct engine_options options = {.input_px = PX,
                                           .mean = {0.485f, 0.456f, 0.406f},
                                           .std = {0.229f, 0.224f, 0.225f},
                                           .kernels = kernels,
                                           .precision = precision,
                                           .quantization = quantization};
    engine_scratch_destroy(fixture->scratch);
    engine_destroy(fixture->engine);
    assert_int_equal(engine_create(fixture->graph, &options, &fixture->engine, NULL), STATUS_OK);
    assert_int_equal(engine_scratch_create(fixture->engine, BATCH, 2, &fixture->scratch, NULL),
                     STATUS_OK);
}

/* Kernels that another test compares with torchvision: what recomputes agrees with them. */
static void sound_engines_pass(void **state)
{
    (void)state;
    static const char *const kernels[] = {"auto", "generic"};
    for (size_t k = 0; k < 2; k++)
        for (uint32_t images_per_pass = 0; images_per_pass < 3; images_per_pass++)
            for (int is_grouped = 0; is_grouped < 2; is_grouped++) {
                struct fixture fixture =
                    make(kernels[k], is_grouped ? grouped : basic, images_per_pass, 2);
                struct engine_check_report report = {0};
                expect_pass(&fixture, NULL, &report);
                assert_int_equal(report.outputs,
                                 engine_plan(fixture.engine)->step_count * ENGINE_CHECK_OUTPUTS);
                /* Rounding is there, and far from the limit. */
                assert_true(report.worst_output > 1e-4 && report.worst_output < 0.25);
                assert_true(strlen(report.worst_layer) > 0);
                assert_int_equal(report.golden_logits, 0);
                drop(&fixture);
            }
}

static void expect_refusal(const struct fixture *fixture, const char *layer)
{
    struct engine_check_report report = {.outputs = 77};
    struct error error = {0};
    char expected[128];
    (void)snprintf(expected, sizeof expected, "layer %s computes wrongly", layer);
    assert_int_equal(check(fixture, NULL, &report, &error), STATUS_INTERNAL);
    if (strncmp(error.text, expected, strlen(expected)) != 0)
        fail_msg("expected \"%s\", found \"%s\"", expected, error.text);
    assert_int_equal(report.outputs, 77);
}

/* An eighth of one layer's packed floats, anywhere in it, and every layer in turn. */
static void damaged_weights_are_found_and_the_layer_named(void **state)
{
    (void)state;
    static const struct weights_random_spec *const specs[] = {&basic, &grouped};
    for (size_t n = 0; n < 2; n++) {
        struct fixture fixture = make("auto", *specs[n], 0, 1);
        for (size_t i = 0; i < engine_plan(fixture.engine)->step_count; i++) {
            const struct step *step = step_at(&fixture, i);
            float *packed = (float *)(uintptr_t)step->packed;
            size_t count = step->packed_bytes / sizeof *packed, part = count / 8;
            float *saved = malloc(step->packed_bytes + 1);
            assert_non_null(saved);
            for (size_t place = 0; place < 8 && packed; place += 3) {
                memcpy(saved, packed, step->packed_bytes);
                for (size_t f = place * part; f < (place + 1) * part; f++)
                    packed[f] = packed[f] * 0.5f + 0.125f;
                expect_refusal(&fixture, step->name);
                memcpy(packed, saved, step->packed_bytes);
            }
            free(saved);
        }
        struct engine_check_report report;
        expect_pass(&fixture, NULL, &report);
        drop(&fixture);
    }
}

/* All parameters are finite, their products are not: no machine computes that. */
static void a_network_that_overflows_is_not_the_machines_fault(void **state)
{
    (void)state;
    struct fixture fixture = make("auto", basic, 0, 1);
    struct engine_check_report report;
    struct error error = {0};
    for (size_t i = 0; i < fixture.graph->layer_count; i++) {
        const struct graph_layer *layer = &fixture.graph->layers[i];
        float *gamma = layer->bn_weight ? (float *)(uintptr_t)layer->bn_weight->data.data : NULL;
        for (size_t o = 0; o < layer->out_channels && gamma; o++)
            gamma[o] = strcmp(layer->name, "layer2.0.conv2") == 0 ? 3e38f : gamma[o];
    }
    change_precision(&fixture, "auto", "float32", NULL);
    assert_int_equal(check(&fixture, NULL, &report, &error), STATUS_BAD_MODEL);
    assert_non_null(strstr(error.text, "layer layer2.0.conv2 gives values that are not finite"));
    drop(&fixture);
}

/* Kernels that do what `sound` does, and then harm it. */
static const struct kernel *sound;

static void run_sound(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    sound->run(run, first, last, scratch);
}

static float *last_pixel(const struct step_run *run, size_t image)
{
    const struct tensor *output = run->step->output;
    return tensor_row_f32(output, run->buffers, image, output->height_px - 1) +
           (output->width_px - 1) * output->pixel_stride;
}

/* The tail that a kernel forgot: the very last output of the last image. */
static void run_without_tail(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    run_sound(run, first, last, scratch);
    if (last == sound->units(run->step, run->images))
        last_pixel(run, run->first_image + run->images - 1)[run->step->output->channels - 1] += 1;
}

static void run_to_nan(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    run_sound(run, first, last, scratch);
    if (first == 0)
        tensor_row_f32(run->step->output, run->buffers, run->first_image, 0)[0] =
            __builtin_nanf("");
}

/* Off by less than rounding may be, but only in company. For a team of one. */
static void run_by_company(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    run_sound(run, first, last, scratch);
    if (last == sound->units(run->step, run->images) && run->images > 1)
        for (size_t i = run->first_image; i < run->first_image + run->images; i++)
            for (uint32_t c = 0; c < run->step->output->channels; c++)
                last_pixel(run, i)[c] *= 1.0f + 2.4e-7f;
}

static void refuses_kernel(const char *layer,
                           void (*run)(const struct step_run *, size_t, size_t, void *))
{
    struct fixture fixture = make("auto", basic, 0, 1);
    struct step *step = step_named(&fixture, layer);
    sound = step->kernel;
    struct kernel harmful = *sound;
    harmful.run = run;
    step->kernel = &harmful;
    expect_refusal(&fixture, layer);
    drop(&fixture);
}

static void wrong_kernels_are_found_and_the_layer_named(void **state)
{
    (void)state;
    static const char *const layers[] = {"conv1",          "maxpool", "layer1.1.conv2",
                                         "layer2.0.conv2", "avgpool", "fc"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        refuses_kernel(layers[i], run_without_tail);
        refuses_kernel(layers[i], run_to_nan);
    }
}

static void company_must_not_matter(void **state)
{
    (void)state;
    struct fixture fixture = make("auto", basic, 0, 1);
    struct engine_check_report report;
    struct error error = {0};
    struct step *step = step_named(&fixture, "fc");
    sound = step->kernel;
    struct kernel harmful = *sound;
    harmful.run = run_by_company;
    step->kernel = &harmful;
    assert_int_equal(check(&fixture, NULL, &report, &error), STATUS_INTERNAL);
    assert_non_null(strstr(error.text, "an image's answer depends on its company"));
    drop(&fixture);
}

/* What the engine itself says of the drawn image; whether torch agrees is test_model.c's. */
static struct engine_golden golden_of(const struct fixture *fixture)
{
    struct slot_block block;
    float logits[CLASSES];
    assert_int_equal(slot_block_init(fixture->engine, 1, &block, NULL), STATUS_OK);
    engine_golden_draw(PX, slot_block_pixels(&block, 0));
    const struct step_slot slot = slot_block_slot(&block, 0);
    engine_run(fixture->engine, fixture->scratch, 1, &slot,
               &(struct engine_outputs){.logits = logits});
    slot_block_fini(&block);
    return (struct engine_golden){
        .count = 2, .logits = {{7, logits[7]}, {99, logits[99]}}, .tolerance = 0.001f};
}

static void golden_logits_are_compared(void **state)
{
    (void)state;
    struct fixture fixture = make("auto", basic, 0, 1);
    struct engine_check_report report = {0};
    struct error error = {0};
    struct engine_golden golden = golden_of(&fixture);
    golden.logits[1].logit += 0.0009f;
    expect_pass(&fixture, &golden, &report);
    assert_int_equal(report.golden_logits, 2);
    assert_true(report.worst_golden > 0.0008 && report.worst_golden < 0.001);
    golden.logits[1].logit += 0.0003f;
    assert_int_equal(check(&fixture, &golden, &report, &error), STATUS_INTERNAL);
    assert_non_null(strstr(error.text, "the golden logit of class 99 is"));
    golden.logits[0].class_id = CLASSES;
    error = (struct error){0};
    assert_int_equal(check(&fixture, &golden, &report, &error), STATUS_BAD_MODEL);
    assert_string_equal(error.text, "golden: class 100 of a network of 100 classes");
    drop(&fixture);
}

static void a_batch_of_one_is_checked_too(void **state)
{
    (void)state;
    struct fixture fixture = make("auto", basic, 0, 1);
    struct engine_check_report report = {0};
    assert_int_equal(
        engine_check(fixture.engine, fixture.graph, fixture.scratch, 1, NULL, &report, NULL),
        STATUS_OK);
    assert_int_equal(report.outputs,
                     engine_plan(fixture.engine)->step_count * ENGINE_CHECK_OUTPUTS);
    drop(&fixture);
}

/* Noise calibrates as well as photographs do here. */
static enum status draw_noise(void *user, size_t index, uint8_t *ret_pixels, struct error *error)
{
    (void)user;
    (void)error;
    uint32_t random = 7 + (uint32_t)index;
    for (size_t i = 0; i < (size_t)PX * PX * 3; i++) {
        random = random * 1664525u + 1013904223u; /* Numerical Recipes */
        ret_pixels[i] = (uint8_t)(random >> 24);
    }
    return STATUS_OK;
}

/* One layer in a few is bf16. */
static struct calibration calibrate(const struct fixture *fixture, const char *kernels)
{
    const struct calibration_options options = {.engine = {.input_px = PX,
                                                           .mean = {0.485f, 0.456f, 0.406f},
                                                           .std = {0.229f, 0.224f, 0.225f},
                                                           .kernels = kernels},
                                                .threads = 2,
                                                .activations = CALIBRATION_ACTIVATIONS_LEAST_ERROR,
                                                .has_bias_correction = true,
                                                .bf16_share = 0.3,
                                                .search_images = 1};
    const struct calibration_images images = {.count = BATCH, .read = draw_noise};
    struct calibration calibration = {0};
    struct error error = {0};
    if (calibration_init(fixture->graph, &options, &images, &calibration, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return calibration;
}

static void calibrated_and_bf16_engines_pass(void **state)
{
    (void)state;
    static const char *const kernels[] = {"auto", "generic"};
    for (size_t k = 0; k < 2; k++)
        for (int is_grouped = 0; is_grouped < 2; is_grouped++) {
            struct fixture fixture = make(kernels[k], is_grouped ? grouped : basic, 0, 2);
            struct calibration calibration = calibrate(&fixture, kernels[k]);
            size_t bf16 = 0;
            for (size_t i = 0; i < calibration.quantization->layer_count; i++)
                bf16 += calibration.quantization->layers[i].arithmetic == STEP_BF16;
            assert_true(bf16 > 0 && bf16 < calibration.quantization->layer_count);
            struct engine_check_report report = {0};
            change_precision(&fixture, kernels[k], "int8", calibration.quantization);
            assert_string_equal(engine_precision(fixture.engine), "int8");
            expect_pass(&fixture, NULL, &report);
            change_precision(&fixture, kernels[k], "bf16", NULL);
            expect_pass(&fixture, NULL, &report);
            calibration_fini(&calibration);
            drop(&fixture);
        }
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_engines_pass),
        cmocka_unit_test(calibrated_and_bf16_engines_pass),
        cmocka_unit_test(damaged_weights_are_found_and_the_layer_named),
        cmocka_unit_test(a_network_that_overflows_is_not_the_machines_fault),
        cmocka_unit_test(wrong_kernels_are_found_and_the_layer_named),
        cmocka_unit_test(company_must_not_matter),
        cmocka_unit_test(golden_logits_are_compared),
        cmocka_unit_test(a_batch_of_one_is_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
