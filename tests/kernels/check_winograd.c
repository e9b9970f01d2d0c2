/* The Winograd convolutions against the generic one and against sums in double: random shapes of
 * any size and number of channels, with and without halo, residual and ReLU. What lies around an
 * output stays as it was, what lies around an input is never used, and an image has the same bits
 * alone and in a batch, whoever ran its units in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/avx2/conv_f32_winograd4x4_avx2.h"
#include "model/kernels/avx512/conv_f32_winograd4x4_avx512.h"
#include "model/kernels/cpu.h"
#include "model/kernels/generic/conv_f32_generic.h"
#include "model/net/engine_check.h"
#include "model/net/recompute.h"

enum {
    MAX_IMAGES = 3,
    INPUT = 0,
    OUTPUT,
    RESIDUAL,
    PROJECTION,
    BUFFERS,
    SAMPLES = 64,
    PROJECTION_CHANNELS = 37
};

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
    uint32_t height_px, width_px, in_channels, out_channels, images;
    uint32_t halo_px, pixel_gap, image_gap; /* gaps in elements and in pixels */
    uint32_t projection_stride_px;          /* 0: no projection */
    bool has_relu, has_residual, is_in_place;
};

struct fixture {
    struct step step;
    struct tensor tensors[BUFFERS];
    uint8_t *buffers[BUFFERS];
    size_t bytes[BUFFERS];
    uint8_t *output_before; /* [bytes of the output] */
    float *weight, *bias, *projection;
};

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(memory);
    return memory;
}

static float *random_floats(size_t count, uint32_t *state)
{
    float *values = allocate(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = draw_value(state);
    return values;
}

static struct tensor make_tensor(const struct shape *shape, uint32_t channels, uint32_t buffer)
{
    size_t pixel = channels + shape->pixel_gap, halo = shape->halo_px;
    size_t row = (shape->width_px + 2 * halo) * pixel;
    return (struct tensor){.type = TENSOR_F32,
                           .height_px = shape->height_px,
                           .width_px = shape->width_px,
                           .channels = channels,
                           .halo_px = shape->halo_px,
                           .scale = 1.0f,
                           .pixel_stride = pixel,
                           .row_stride = row,
                           .image_stride =
                               (shape->height_px + 2 * halo) * row + shape->image_gap * pixel,
                           .buffer = buffer,
                           .offset_bytes = (halo * row + halo * pixel) * sizeof(float)};
}

/* Random pixels with a zero halo; all else is NaN, which nobody may use or overwrite. */
static void fill_tensor(struct fixture *fixture, unsigned index, uint32_t *state)
{
    const struct tensor *tensor = &fixture->tensors[index];
    fixture->bytes[index] = MAX_IMAGES * tensor->image_stride * sizeof(float);
    fixture->buffers[index] = allocate(fixture->bytes[index]);
    memset(fixture->buffers[index], 0xff, fixture->bytes[index]);
    int64_t halo = tensor->halo_px;
    for (size_t image = 0; image < MAX_IMAGES; image++)
        for (int64_t y = -halo; y < tensor->height_px + halo; y++)
            for (int64_t x = -halo; x < tensor->width_px + halo; x++) {
                bool is_inside = y >= 0 && y < tensor->height_px && x >= 0 && x < tensor->width_px;
                float *pixel = tensor_row_f32(tensor, fixture->buffers, image, 0) +
                               y * (int64_t)tensor->row_stride + x * (int64_t)tensor->pixel_stride;
                for (size_t c = 0; c < tensor->channels; c++)
                    pixel[c] = is_inside ? draw_value(state) : 0.0f;
            }
}

/* No larger than the step needs it. */
static struct tensor make_projection(const struct shape *shape)
{
    struct shape larger = *shape;
    if (shape->projection_stride_px > 0) {
        larger.height_px = (shape->height_px - 1) * shape->projection_stride_px + 1;
        larger.width_px = (shape->width_px - 1) * shape->projection_stride_px + 1;
    }
    return make_tensor(&larger, PROJECTION_CHANNELS, PROJECTION);
}

static void fixture_init(struct fixture *fixture, const struct shape *shape, uint32_t seed)
{
    uint32_t state = seed;
    *fixture = (struct fixture){0};
    fixture->tensors[INPUT] = make_tensor(shape, shape->in_channels, INPUT);
    fixture->tensors[OUTPUT] = make_tensor(shape, shape->out_channels, OUTPUT);
    fixture->tensors[RESIDUAL] = make_tensor(shape, shape->out_channels, RESIDUAL);
    fixture->tensors[PROJECTION] = make_projection(shape);
    for (unsigned i = 0; i < BUFFERS; i++)
        fill_tensor(fixture, i, &state);
    fixture->output_before = allocate(fixture->bytes[OUTPUT]);
    memcpy(fixture->output_before, fixture->buffers[OUTPUT], fixture->bytes[OUTPUT]);
    fixture->weight = random_floats((size_t)9 * shape->in_channels * shape->out_channels, &state);
    fixture->bias = random_floats(shape->out_channels, &state);
    fixture->projection = random_floats((size_t)PROJECTION_CHANNELS * shape->out_channels, &state);
    fixture->step = (struct step){.op = STEP_CONV,
                                  .input = &fixture->tensors[INPUT],
                                  .output = &fixture->tensors[OUTPUT],
                                  .kernel_px = 3,
                                  .stride_px = 1,
                                  .pad_px = 1,
                                  .groups = 1,
                                  .has_relu = shape->has_relu};
    if (shape->projection_stride_px > 0) {
        fixture->step.projection = &fixture->tensors[PROJECTION];
        fixture->step.projection_stride_px = shape->projection_stride_px;
    }
    if (shape->has_residual)
        fixture->step.residual = &fixture->tensors[shape->is_in_place ? OUTPUT : RESIDUAL];
}

static void fixture_fini(struct fixture *fixture)
{
    for (unsigned i = 0; i < BUFFERS; i++)
        free(fixture->buffers[i]);
    free(fixture->output_before);
    free(fixture->weight);
    free(fixture->bias);
    free(fixture->projection);
}

static void pack(struct fixture *fixture, const struct kernel *kernel)
{
    struct step *step = &fixture->step;
    assert_true(kernel->supports(step));
    step->kernel = kernel;
    step->packed_bytes = kernel->packed_bytes(step);
    void *packed = allocate(step->packed_bytes);
    const struct step_weights weights = {
        .weight = fixture->weight, .bias = fixture->bias, .projection = fixture->projection};
    kernel->pack(step, &weights, packed);
    step->packed = packed;
}

/* What is in the scratch before a run is NaN, and what is behind it stays. */
static void *make_scratch(const struct fixture *fixture)
{
    size_t bytes = fixture->step.kernel->scratch_bytes(&fixture->step);
    uint8_t *scratch = allocate(bytes + 64);
    memset(scratch, 0xff, bytes + 64);
    return scratch;
}

static void release_scratch(const struct fixture *fixture, uint8_t *scratch)
{
    size_t bytes = fixture->step.kernel->scratch_bytes(&fixture->step);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(scratch[bytes + i], 0xff);
    free(scratch);
}

/* All units at once; or, where `one_by_one`, the last one first. */
static void run_images(struct fixture *fixture, size_t first_image, size_t images, bool one_by_one)
{
    const struct kernel *kernel = fixture->step.kernel;
    const struct step_run run = {.step = &fixture->step,
                                 .buffers = fixture->buffers,
                                 .first_image = first_image,
                                 .images = images};
    void *scratch = make_scratch(fixture);
    size_t units = kernel->units(&fixture->step, images);
    for (size_t unit = units; one_by_one && unit-- > 0;)
        kernel->run(&run, unit, unit + 1, scratch);
    if (!one_by_one)
        kernel->run(&run, 0, units, scratch);
    release_scratch(fixture, scratch);
}

static uint8_t *copy_output(const struct fixture *fixture)
{
    uint8_t *copy = allocate(fixture->bytes[OUTPUT]);
    memcpy(copy, fixture->buffers[OUTPUT], fixture->bytes[OUTPUT]);
    return copy;
}

static void restore_output(struct fixture *fixture)
{
    memcpy(fixture->buffers[OUTPUT], fixture->output_before, fixture->bytes[OUTPUT]);
}

/* The whole buffers: pixels agree, what is around them is the same bit for bit. */
static void compare_with_generic(const struct fixture *fixture, const uint8_t *found,
                                 const uint8_t *expected, uint32_t seed)
{
    const struct tensor *output = &fixture->tensors[OUTPUT];
    double largest = 0, difference = 0;
    for (size_t i = 0; i < fixture->bytes[OUTPUT] / sizeof(float); i++) {
        float a, b;
        memcpy(&a, found + i * sizeof a, sizeof a);
        memcpy(&b, expected + i * sizeof b, sizeof b);
        if (memcmp(&a, &b, sizeof a) == 0)
            continue;
        if (!isfinite(a) || !isfinite(b))
            fail_msg("seed %u: float %zu is %g, not %g", seed, i, (double)a, (double)b);
        largest = fmax(largest, fabs((double)b));
        difference = fmax(difference, fabs((double)a - (double)b));
    }
    if (!(difference <= 1e-5 * largest))
        fail_msg("seed %u: %ux%u, %u to %u channels: off by %g of %g", seed, output->height_px,
                 output->width_px, fixture->tensors[INPUT].channels, output->channels, difference,
                 largest);
}

/* The engine's check of itself must find nothing: deviations from sums in double stay within its
 * tolerance, and well inside, since it tries few of a layer's outputs. */
static void compare_with_double(const struct fixture *fixture, const uint8_t *found,
                                const struct shape *shape, uint32_t *state)
{
    const struct step_weights weights = {
        .weight = fixture->weight, .bias = fixture->bias, .projection = fixture->projection};
    const struct step_run run = {.step = &fixture->step,
                                 .buffers = (uint8_t *const *)fixture->buffers,
                                 .images = shape->images};
    uint8_t *buffers[BUFFERS] = {[OUTPUT] = allocate(fixture->bytes[OUTPUT])};
    uint8_t *before[BUFFERS] = {fixture->buffers[INPUT], fixture->output_before,
                                fixture->buffers[RESIDUAL], fixture->buffers[PROJECTION]};
    memcpy(buffers[OUTPUT], found, fixture->bytes[OUTPUT]);
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct recompute_place place = {draw(state, shape->images), draw(state, shape->height_px),
                                        draw(state, shape->width_px),
                                        draw(state, shape->out_channels)};
        float residual = fixture->step.residual
                             ? recompute_element(fixture->step.residual, before, place)
                             : 0.0f;
        struct recompute_result expected = recompute_output(&run, &weights, place, residual);
        double value = (double)recompute_element(fixture->step.output, buffers, place);
        double share = fabs(value - expected.value) / expected.magnitude;
        if (!(share <= ENGINE_CHECK_TOLERANCE / 4))
            fail_msg("%u to %u channels: %g, in double %g, off by %g of its terms",
                     shape->in_channels, shape->out_channels, value, expected.value, share);
    }
    free(buffers[OUTPUT]);
}

static void check_shape(const struct kernel *kernel, const struct shape *shape, uint32_t seed)
{
    struct fixture fixture;
    fixture_init(&fixture, shape, seed);
    pack(&fixture, &conv_f32_generic);
    run_images(&fixture, 0, shape->images, false);
    uint8_t *expected = copy_output(&fixture);
    free((void *)(uintptr_t)fixture.step.packed);
    restore_output(&fixture);
    pack(&fixture, kernel);
    run_images(&fixture, 0, shape->images, false);
    uint8_t *found = copy_output(&fixture);
    compare_with_generic(&fixture, found, expected, seed);
    uint32_t state = seed;
    compare_with_double(&fixture, found, shape, &state);
    restore_output(&fixture);
    run_images(&fixture, 0, shape->images, true);
    assert_memory_equal(fixture.buffers[OUTPUT], found, fixture.bytes[OUTPUT]);
    restore_output(&fixture);
    for (size_t image = shape->images; image-- > 0;)
        run_images(&fixture, image, 1, false);
    assert_memory_equal(fixture.buffers[OUTPUT], found, fixture.bytes[OUTPUT]);
    free((void *)(uintptr_t)fixture.step.packed);
    free(expected);
    free(found);
    fixture_fini(&fixture);
}

static struct shape draw_shape(uint32_t *state)
{
    struct shape shape = {
        .height_px = 1 + draw(state, 21),
        .width_px = 1 + draw(state, 21),
        .in_channels = 1 + draw(state, 150),
        .out_channels = 1 + draw(state, 150),
        .images = 1 + draw(state, MAX_IMAGES),
        .halo_px = draw(state, 3),
        .pixel_gap = draw(state, 2) ? 0 : 1 + draw(state, 20),
        .image_gap = draw(state, 2),
        .has_relu = draw(state, 2),
        .has_residual = draw(state, 2),
        .is_in_place = draw(state, 2),
    };
    if (!shape.has_residual)
        shape.projection_stride_px = draw(state, 3);
    return shape;
}

static void random_shapes_agree(const struct kernel *kernel)
{
    uint32_t draws = 7;
    for (uint32_t seed = 1; seed <= 120; seed++) {
        struct shape shape = draw_shape(&draws);
        check_shape(kernel, &shape, seed);
    }
}

/* Shapes of real networks, whose cut has several strips and several blocks of channels. */
static void real_shapes_agree(const struct kernel *kernel)
{
    static const struct shape shapes[] = {
        {.height_px = 56, .width_px = 56, .in_channels = 64, .out_channels = 64, .images = 2},
        {.height_px = 28, .width_px = 28, .in_channels = 128, .out_channels = 128, .images = 3},
        {.height_px = 14, .width_px = 14, .in_channels = 256, .out_channels = 256, .images = 3},
        {.height_px = 7, .width_px = 7, .in_channels = 512, .out_channels = 512, .images = 3},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint32_t halo_px = 0; halo_px < 2; halo_px++) {
            struct shape shape = shapes[i];
            shape.halo_px = halo_px;
            shape.pixel_gap = 16 * halo_px;
            shape.has_residual = shape.is_in_place = halo_px > 0;
            check_shape(kernel, &shape, (uint32_t)i + 1);
        }
}

static void leaves_other_steps(const struct kernel *kernel)
{
    const struct shape shape = {
        .height_px = 8, .width_px = 8, .in_channels = 16, .out_channels = 16};
    struct fixture fixture;
    fixture_init(&fixture, &shape, 1);
    assert_true(kernel->supports(&fixture.step));
    struct step steps[8];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        steps[i] = fixture.step;
    struct tensor bytes = fixture.tensors[INPUT];
    bytes.type = TENSOR_U8;
    steps[0].op = STEP_CONV_INPUT;
    steps[1].kernel_px = 1;
    steps[2].stride_px = 2;
    steps[3].pad_px = 0;
    steps[4].groups = 2;
    steps[5].projection = steps[5].residual = &fixture.tensors[INPUT];
    steps[6].input = &bytes;
    steps[7].arithmetic = STEP_BF16;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        assert_false(kernel->supports(&steps[i]));
    fixture_fini(&fixture);
}

static void check_kernel(const struct kernel *kernel, bool can_run)
{
    leaves_other_steps(kernel);
    if (!can_run)
        skip();
    random_shapes_agree(kernel);
    real_shapes_agree(kernel);
}

static void avx2(void **state)
{
    (void)state;
    check_kernel(&conv_f32_winograd4x4_avx2, cpu_probe().has_avx2_fma);
}

static void avx512(void **state)
{
    (void)state;
    check_kernel(&conv_f32_winograd4x4_avx512, cpu_probe().has_avx512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(avx2), cmocka_unit_test(avx512)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
