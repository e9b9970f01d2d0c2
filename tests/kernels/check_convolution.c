/* The OpenBLAS convolutions against generic ones, step by step: random shapes with odd sizes,
 * strides, groups, projections and residuals; canaries around every output; padding that must be
 * zero; units in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/kernels.h"
#include "tests/kernels/matrix_tensor.h"

enum { CANARY_FLOATS = 64, MAX_IMAGES = 3, INPUT = 0, OUTPUT, RESIDUAL, PROJECTION, BUFFERS };

static const float canary = -12345.5f;

/* A small generator of our own, so that a failing shape comes again. */
static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static float draw_value(uint32_t *state)
{
    return (float)draw(state, 20001) / 10000.0f - 1.0f;
}

struct shape {
    uint32_t in_px, in_channels, out_channels, kernel_px, stride_px, groups, images;
    bool is_input, has_relu, has_residual, is_in_place, has_projection;
};

/* One step with its memory; each buffer has canaries on both sides. */
struct fixture {
    struct step step;
    struct tensor tensors[BUFFERS];
    float *memory[BUFFERS];
    size_t floats[BUFFERS];
    uint8_t *buffers[BUFFERS];
    struct step_slot slots[MAX_IMAGES];
    uint8_t *pixels;
    float *weight, *bias, *projection;
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert_non_null(memory);
    return memory;
}

static float *random_floats(size_t count, uint32_t *state)
{
    float *values = allocate(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = draw_value(state);
    return values;
}

/* Random pixels, zero padding, canaries before and behind. */
static void fill_tensor(struct fixture *fixture, unsigned index, uint32_t *state)
{
    const struct tensor *tensor = &fixture->tensors[index];
    fixture->floats[index] = MAX_IMAGES * tensor->image_stride;
    fixture->memory[index] = allocate(fixture->floats[index] + 2 * CANARY_FLOATS, sizeof(float));
    for (size_t i = 0; i < CANARY_FLOATS; i++)
        fixture->memory[index][i] =
            fixture->memory[index][CANARY_FLOATS + fixture->floats[index] + i] = canary;
    fixture->buffers[index] = (uint8_t *)(fixture->memory[index] + CANARY_FLOATS);
    for (size_t image = 0; image < MAX_IMAGES; image++)
        for (uint32_t y = 0; y < tensor->height_px; y++)
            for (size_t i = 0; i < tensor->row_stride; i++)
                tensor_row_f32(tensor, fixture->buffers, image, y)[i] = draw_value(state);
}

static void fixture_init(struct fixture *fixture, const struct shape *shape, uint32_t seed)
{
    uint32_t state = seed;
    *fixture = (struct fixture){0};
    uint32_t pad_px = shape->kernel_px / 2;
    uint32_t out_px = (shape->in_px + 2 * pad_px - shape->kernel_px) / shape->stride_px + 1;
    fixture->tensors[INPUT] = matrix_tensor(shape->in_px, shape->in_channels, INPUT);
    fixture->tensors[OUTPUT] = matrix_tensor(out_px, shape->out_channels, OUTPUT);
    fixture->tensors[RESIDUAL] = matrix_tensor(out_px, shape->out_channels, RESIDUAL);
    fixture->tensors[PROJECTION] = matrix_tensor(out_px * 2, 24, PROJECTION);
    for (unsigned i = 0; i < BUFFERS; i++)
        fill_tensor(fixture, i, &state);
    size_t taps = (size_t)shape->kernel_px * shape->kernel_px * shape->in_channels / shape->groups;
    fixture->weight = random_floats(shape->out_channels * taps, &state);
    fixture->bias = random_floats(shape->out_channels, &state);
    fixture->projection = random_floats((size_t)shape->out_channels * 24, &state);
    fixture->step = (struct step){.op = shape->is_input ? STEP_CONV_INPUT : STEP_CONV,
                                  .input = &fixture->tensors[INPUT],
                                  .output = &fixture->tensors[OUTPUT],
                                  .kernel_px = shape->kernel_px,
                                  .stride_px = shape->stride_px,
                                  .pad_px = pad_px,
                                  .groups = shape->groups,
                                  .has_relu = shape->has_relu,
                                  .mean = {0.485f, 0.456f, 0.406f},
                                  .std = {0.229f, 0.224f, 0.225f}};
    if (shape->has_residual)
        fixture->step.residual = &fixture->tensors[shape->is_in_place ? OUTPUT : RESIDUAL];
    if (shape->has_projection) {
        fixture->step.projection = &fixture->tensors[PROJECTION];
        fixture->step.projection_stride_px = 2;
    }
    size_t values = (size_t)shape->in_px * shape->in_px * 3;
    fixture->pixels = allocate(values * MAX_IMAGES, 1);
    for (size_t i = 0; i < values * MAX_IMAGES; i++)
        fixture->pixels[i] = (uint8_t)draw(&state, 256);
    for (size_t i = 0; i < MAX_IMAGES; i++)
        fixture->slots[i] = (struct step_slot){TENSOR_U8, fixture->pixels + i * values};
}

static void fixture_fini(struct fixture *fixture)
{
    for (unsigned i = 0; i < BUFFERS; i++)
        free(fixture->memory[i]);
    free(fixture->pixels);
    free(fixture->weight);
    free(fixture->bias);
    free(fixture->projection);
}

/* Packs and runs; the last unit first, as a thread may. */
static void run_with(struct fixture *fixture, const struct kernel *kernel, size_t images)
{
    struct step *step = &fixture->step;
    step->kernel = kernel;
    step->packed_bytes = kernel->packed_bytes(step);
    void *packed = aligned_alloc(64, (step->packed_bytes + 63) / 64 * 64);
    size_t scratch_bytes = kernel->scratch_bytes(step);
    uint8_t *scratch = allocate(scratch_bytes + sizeof canary, 1);
    memcpy(scratch + scratch_bytes, &canary, sizeof canary);
    assert_non_null(packed);
    const struct step_weights weights = {fixture->weight, fixture->bias,
                                         step->projection ? fixture->projection : NULL, NULL};
    kernel->pack(step, &weights, packed);
    step->packed = packed;
    const struct step_run run = {
        .step = step, .buffers = fixture->buffers, .slots = fixture->slots, .images = images};
    for (size_t unit = kernel->units(step, images); unit-- > 0;)
        kernel->run(&run, unit, unit + 1, scratch);
    assert_memory_equal(scratch + scratch_bytes, &canary, sizeof canary);
    free(packed);
    free(scratch);
}

static void check_surroundings(const struct fixture *fixture, size_t images)
{
    const struct tensor *tensor = &fixture->tensors[OUTPUT];
    const float *memory = fixture->memory[OUTPUT];
    for (size_t i = 0; i < CANARY_FLOATS; i++)
        if (memory[i] != canary || memory[CANARY_FLOATS + fixture->floats[OUTPUT] + i] != canary)
            fail_msg("wrote outside the output");
    for (size_t image = 0; image < images; image++) {
        const float *end = tensor_row_f32(tensor, fixture->buffers, image, tensor->height_px);
        for (size_t i = 0; i < tensor->image_stride - tensor->height_px * tensor->row_stride; i++)
            if (end[i] != 0.0f)
                fail_msg("padding of image %zu is not zero", image);
    }
}

/* False where the set leaves the shape to generic. */
static bool check_shape(const struct kernel_set *set, const struct kernel_set *generic,
                        const struct shape *shape, uint32_t seed)
{
    struct fixture found, expected;
    fixture_init(&found, shape, seed);
    fixture_init(&expected, shape, seed);
    const struct kernel *kernel = kernels_for_step(set, &found.step);
    if (kernel == kernels_for_step(generic, &found.step)) {
        fixture_fini(&found);
        fixture_fini(&expected);
        return false;
    }
    run_with(&found, kernel, shape->images);
    run_with(&expected, kernels_for_step(generic, &expected.step), shape->images);
    check_surroundings(&found, shape->images);
    check_surroundings(&expected, shape->images);
    double largest = 0, difference = 0;
    size_t count = shape->images * found.tensors[OUTPUT].image_stride;
    for (size_t i = 0; i < count; i++) {
        double a = (double)((float *)(void *)found.buffers[OUTPUT])[i];
        double b = (double)((float *)(void *)expected.buffers[OUTPUT])[i];
        largest = fmax(largest, fabs(b));
        difference = fmax(difference, fabs(a - b));
    }
    /* Two orders of summing n terms drift apart like a random walk of float32's rounding. */
    double terms = (double)shape->kernel_px * shape->kernel_px * shape->in_channels / shape->groups;
    if (!(difference <= fmax(1e-6, (double)FLT_EPSILON * sqrt(terms)) * largest))
        fail_msg("seed %u: %u px, %u to %u channels, kernel %u, stride %u, groups %u, %u images: "
                 "off by %g of %g",
                 seed, shape->in_px, shape->in_channels, shape->out_channels, shape->kernel_px,
                 shape->stride_px, shape->groups, shape->images, difference, largest);
    fixture_fini(&found);
    fixture_fini(&expected);
    return true;
}

static struct shape draw_shape(uint32_t *state)
{
    static const uint32_t groups[] = {1, 1, 1, 2, 8, 32};
    struct shape shape = {.groups = groups[draw(state, 6)],
                          .in_px = 2 + 2 * draw(state, 16),
                          .kernel_px = 1 + 2 * draw(state, 2),
                          .stride_px = 1 + draw(state, 2),
                          .images = 1 + draw(state, MAX_IMAGES),
                          .has_relu = draw(state, 2),
                          .has_residual = draw(state, 2),
                          .is_in_place = draw(state, 2)};
    shape.in_channels = shape.groups * (1 + draw(state, shape.groups > 2 ? 9 : 90));
    shape.out_channels = shape.groups * (1 + draw(state, shape.groups > 2 ? 9 : 590));
    shape.has_projection = shape.groups == 1 && draw(state, 2);
    return shape;
}

static void open_sets(const struct kernel_set **ret_blas, const struct kernel_set **ret_generic)
{
    struct error error = {0};
    if (kernels_choose("blas", ret_blas, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(kernels_choose("generic", ret_generic, &error), STATUS_OK);
}

static void random_shapes_agree(void **state)
{
    (void)state;
    const struct kernel_set *blas, *generic;
    open_sets(&blas, &generic);
    uint32_t draws = 7;
    unsigned supported = 0;
    for (uint32_t i = 0; i < 300; i++) {
        struct shape shape = draw_shape(&draws);
        supported += check_shape(blas, generic, &shape, i + 1);
    }
    assert_in_range(supported, 200, 300);
}

static void first_layers_agree(void **state)
{
    (void)state;
    const struct kernel_set *blas, *generic;
    open_sets(&blas, &generic);
    for (uint32_t side = 8; side < 80; side += 7) {
        struct shape shape = {.in_px = side,
                              .in_channels = 3,
                              .out_channels = 64 + side,
                              .kernel_px = 7,
                              .stride_px = 2,
                              .groups = 1,
                              .images = 1 + side % MAX_IMAGES,
                              .is_input = true,
                              .has_relu = true};
        assert_true(check_shape(blas, generic, &shape, side));
    }
}

/* The two layers whose cut has several strips and several blocks. */
static void large_layers_agree(void **state)
{
    (void)state;
    const struct kernel_set *blas, *generic;
    open_sets(&blas, &generic);
    const struct shape shapes[] = {
        {.in_px = 56,
         .in_channels = 64,
         .out_channels = 64,
         .kernel_px = 3,
         .stride_px = 1,
         .groups = 1,
         .images = 2},
        {.in_px = 14,
         .in_channels = 256,
         .out_channels = 520,
         .kernel_px = 3,
         .stride_px = 1,
         .groups = 1,
         .images = 3},
        {.in_px = 28,
         .in_channels = 128,
         .out_channels = 128,
         .kernel_px = 3,
         .stride_px = 2,
         .groups = 32,
         .images = 3},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        assert_true(check_shape(blas, generic, &shapes[i], (uint32_t)i + 1));
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(first_layers_agree),
        cmocka_unit_test(large_layers_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
