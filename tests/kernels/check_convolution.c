/* The convolutions of every kernel set that this machine can run against generic ones, step by
 * step: random shapes with odd sizes, strides, groups, projections and residuals; float32 and
 * bfloat16 within rounding, int8 to the last bit; canaries around every output; halos and padding
 * that must stay zero; units in any order; one image alone and among others. */
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

#include "tests/kernels/step_fixture.h"

enum { MAX_IMAGES = 3, PROJECTION_CHANNELS = 24 };

struct shape {
    uint32_t in_px, in_channels, out_channels, kernel_px, stride_px, groups, images;
    bool is_input, is_float_slot, has_relu, has_residual, is_in_place, has_projection;
    enum step_arithmetic arithmetic;
    bool is_float_output; /* as the last layer of a network */
    bool is_u8;           /* STEP_BF16 in a network of int8 */
    bool is_extreme;      /* levels 0 and 255, weights of the largest size */
};

static float *random_floats(size_t count, uint32_t *state, float factor)
{
    float *values = step_fixture_allocate(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = step_fixture_draw_value(state) * factor;
    return values;
}

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* As a plan lays it out for the set. */
static struct tensor make_tensor(const struct kernel_layout *layout, enum tensor_type type,
                                 uint32_t side_px, uint32_t channels, uint32_t halo_px,
                                 uint32_t buffer)
{
    size_t element = tensor_element_bytes(type), halo = layout->has_halo ? halo_px : 0;
    size_t stride = layout->pixel_multiple_bytes
                        ? round_up(channels * element, layout->pixel_multiple_bytes) / element
                        : channels;
    size_t row_px = side_px + 2 * halo;
    return (struct tensor){
        .type = type,
        .height_px = side_px,
        .width_px = side_px,
        .channels = channels,
        .halo_px = (uint32_t)halo,
        .scale = type == TENSOR_U8 ? 0.01f + 0.003f * (float)buffer : 1.0f,
        .pixel_stride = stride,
        .row_stride = row_px * stride,
        .image_stride = round_up(row_px * row_px, layout->image_pixel_multiple) * stride,
        .padding =
            (round_up(row_px * row_px, layout->image_pixel_multiple) - row_px * row_px) * stride,
        .buffer = buffer,
        .offset_bytes = (halo * row_px + halo) * stride * element};
}

/* Random channels, rubbish in what lies behind a pixel's channels where that may be read. */
static void fill_pixel(const struct tensor *tensor, uint8_t *pixel, bool is_extreme,
                       uint32_t *state)
{
    for (size_t c = 0; c < tensor->pixel_stride; c++) {
        float value = step_fixture_draw_value(state);
        uint16_t half = c < tensor->channels ? bfloat16_of_f32(value) : 0x7fc0;
        if (tensor->type == TENSOR_U8)
            pixel[c] = (uint8_t)(is_extreme ? 255 * step_fixture_draw(state, 2)
                                            : step_fixture_draw(state, 256));
        else if (tensor->type == TENSOR_BF16)
            memcpy(pixel + c * sizeof half, &half, sizeof half);
        else
            memcpy(pixel + c * sizeof value, &value, sizeof value);
    }
}

static void fill_tensor(struct step_fixture *fixture, unsigned index, bool is_extreme,
                        uint32_t *state)
{
    const struct tensor *tensor = &fixture->tensors[index];
    step_fixture_add_buffer(fixture, index, MAX_IMAGES);
    for (size_t image = 0; image < MAX_IMAGES; image++)
        for (uint32_t y = 0; y < tensor->height_px; y++)
            for (uint32_t x = 0; x < tensor->width_px; x++)
                fill_pixel(tensor, tensor_pixel(tensor, fixture->buffers, image, y, x), is_extreme,
                           state);
}

static void make_tensors(struct step_fixture *fixture, const struct kernel_layout *layout,
                         const struct shape *shape)
{
    enum tensor_type type = step_tensor_type(shape->is_u8 ? STEP_INT8 : shape->arithmetic);
    uint32_t pad_px = shape->kernel_px / 2;
    uint32_t out_px = (shape->in_px + 2 * pad_px - shape->kernel_px) / shape->stride_px + 1;
    const struct kernel_layout plain = {.image_pixel_multiple = 1};
    fixture->tensors[STEP_FIXTURE_INPUT] =
        shape->is_input ? make_tensor(&plain, TENSOR_U8, shape->in_px, 3, 0, STEP_FIXTURE_INPUT)
                        : make_tensor(layout, type, shape->in_px, shape->in_channels, pad_px,
                                      STEP_FIXTURE_INPUT);
    fixture->tensors[STEP_FIXTURE_OUTPUT] =
        make_tensor(layout, shape->is_float_output ? TENSOR_F32 : type, out_px, shape->out_channels,
                    shape->images % 2, STEP_FIXTURE_OUTPUT);
    fixture->tensors[STEP_FIXTURE_RESIDUAL] =
        make_tensor(layout, type, out_px, shape->out_channels, 0, STEP_FIXTURE_RESIDUAL);
    fixture->tensors[STEP_FIXTURE_PROJECTION] =
        make_tensor(layout, type, out_px * 2, PROJECTION_CHANNELS, 0, STEP_FIXTURE_PROJECTION);
}

static void make_step(struct step_fixture *fixture, const struct shape *shape)
{
    step_fixture_set_step(fixture,
                          &(struct step){.op = shape->is_input ? STEP_CONV_INPUT : STEP_CONV,
                                         .arithmetic = shape->arithmetic,
                                         .kernel_px = shape->kernel_px,
                                         .stride_px = shape->stride_px,
                                         .pad_px = shape->kernel_px / 2,
                                         .groups = shape->groups,
                                         .has_relu = shape->has_relu});
    bool is_in_place = shape->is_in_place && !shape->is_float_output;
    if (shape->has_residual)
        fixture->step.residual =
            &fixture->tensors[is_in_place ? STEP_FIXTURE_OUTPUT : STEP_FIXTURE_RESIDUAL];
    if (shape->has_projection) {
        fixture->step.projection = &fixture->tensors[STEP_FIXTURE_PROJECTION];
        fixture->step.projection_stride_px = 2;
    }
}

/* The smallest scale that holds each channel's weights; `taps` before the projection's. */
static void make_scales(struct step_fixture *fixture, const struct shape *shape, size_t taps)
{
    fixture->scale = step_fixture_allocate(shape->out_channels * sizeof(float));
    float input_scale =
        shape->is_input ? 1.0f / (255.0f * 0.224f) : fixture->tensors[STEP_FIXTURE_INPUT].scale;
    for (size_t o = 0; o < shape->out_channels; o++) {
        float largest = 1e-6f;
        for (size_t t = 0; t < taps; t++)
            largest = fmaxf(largest, fabsf(fixture->weight[o * taps + t]) * input_scale);
        for (size_t c = 0; c < PROJECTION_CHANNELS && shape->has_projection; c++)
            largest = fmaxf(largest, fabsf(fixture->projection[o * PROJECTION_CHANNELS + c]) *
                                         fixture->tensors[STEP_FIXTURE_PROJECTION].scale);
        /* Some channels are clipped. */
        fixture->scale[o] = largest / (o % 5 == 0 ? 160.0f : 127.0f);
    }
}

static void fixture_init(struct step_fixture *fixture, const struct kernel_layout *layout,
                         const struct shape *shape, uint32_t seed)
{
    uint32_t state = seed;
    *fixture = (struct step_fixture){0};
    make_tensors(fixture, layout, shape);
    for (unsigned i = 0; i < STEP_FIXTURE_BUFFERS; i++)
        fill_tensor(fixture, i, shape->is_extreme, &state);
    size_t taps = (size_t)shape->kernel_px * shape->kernel_px * shape->in_channels / shape->groups;
    fixture->weight = random_floats(shape->out_channels * taps, &state, 1.0f);
    for (size_t i = 0; i < shape->out_channels * taps && shape->is_extreme; i++)
        fixture->weight[i] = fixture->weight[i] < 0 ? -1.0f : 1.0f;
    fixture->bias = random_floats(shape->out_channels, &state, 1.0f);
    fixture->projection =
        random_floats((size_t)shape->out_channels * PROJECTION_CHANNELS, &state, 1.0f);
    make_step(fixture, shape);
    make_scales(fixture, shape, taps);
    if (shape->is_input)
        step_fixture_draw_slots(fixture, MAX_IMAGES, shape->is_float_slot, 64, &state);
}

/* Takes the image out of the output and says whether the rest of it is zero: halo and padding; what
 * lies behind a pixel's channels is nobody's. */
static void check_surroundings(struct step_fixture *fixture, size_t images)
{
    const struct tensor *tensor = &fixture->tensors[STEP_FIXTURE_OUTPUT];
    if (!step_fixture_has_canaries(fixture, STEP_FIXTURE_OUTPUT))
        fail_msg("wrote outside the output");
    uint8_t *copy = step_fixture_allocate(fixture->bytes[STEP_FIXTURE_OUTPUT]);
    uint8_t *buffers[STEP_FIXTURE_BUFFERS] = {[STEP_FIXTURE_OUTPUT] = copy};
    memcpy(copy, fixture->buffers[STEP_FIXTURE_OUTPUT], fixture->bytes[STEP_FIXTURE_OUTPUT]);
    for (size_t image = 0; image < images; image++)
        for (uint32_t y = 0; y < tensor->height_px; y++)
            memset(tensor_pixel(tensor, buffers, image, y, 0), 0,
                   tensor->width_px * tensor->pixel_stride * tensor_element_bytes(tensor->type));
    for (size_t i = 0; i < images * tensor->image_stride * tensor_element_bytes(tensor->type); i++)
        if (copy[i] != 0)
            fail_msg("wrote around the image");
    free(copy);
}

static double output_at(const struct step_fixture *fixture, size_t image, uint32_t y, uint32_t x,
                        size_t c)
{
    const struct tensor *tensor = &fixture->tensors[STEP_FIXTURE_OUTPUT];
    return (double)tensor_value(tensor, tensor_pixel(tensor, fixture->buffers, image, y, x), c);
}

/* The largest difference between images [0, images) of both, as a share of the largest value. */
static double difference_of(const struct step_fixture *found, const struct step_fixture *expected,
                            size_t images)
{
    const struct tensor *tensor = &found->tensors[STEP_FIXTURE_OUTPUT];
    double largest = 0, difference = 0;
    for (size_t image = 0; image < images; image++)
        for (uint32_t y = 0; y < tensor->height_px; y++)
            for (uint32_t x = 0; x < tensor->width_px; x++)
                for (size_t c = 0; c < tensor->channels; c++) {
                    double b = output_at(expected, image, y, x, c);
                    double apart = fabs(output_at(found, image, y, x, c) - b);
                    largest = fmax(largest, fabs(b));
                    difference = apart <= difference ? difference : apart; /* a NaN, too */
                }
    return largest > 0 ? difference / largest : difference;
}

static double tolerance_of(const struct shape *shape, const struct kernel *kernel)
{
    if (shape->arithmetic == STEP_INT8)
        return 0;
    if (strstr(kernel->name, "winograd"))
        return 1e-5; /* its transforms cost about two bits; check_winograd.c looks closer */
    /* Two orders of summing n terms drift apart like a random walk of float32's rounding. */
    double terms = (double)shape->kernel_px * shape->kernel_px * shape->in_channels / shape->groups;
    double sums = fmax(1e-6, (double)FLT_EPSILON * sqrt(terms));
    return shape->arithmetic == STEP_BF16 && !shape->is_float_output ? 1.0 / 128 : sums;
}

/* One image of the batch once more, alone, must have the same bits. */
static void check_alone(const struct kernel_layout *layout, const struct step_fixture *together,
                        const struct shape *shape, uint32_t seed, const struct kernel *kernel)
{
    struct step_fixture alone;
    fixture_init(&alone, layout, shape, seed);
    size_t image = shape->images - 1;
    step_fixture_run(&alone, kernel, image, 1, 1);
    const struct tensor *tensor = &alone.tensors[STEP_FIXTURE_OUTPUT];
    for (uint32_t y = 0; y < tensor->height_px; y++)
        for (uint32_t x = 0; x < tensor->width_px; x++)
            assert_memory_equal(tensor_pixel(tensor, alone.buffers, image, y, x),
                                tensor_pixel(tensor, together->buffers, image, y, x),
                                tensor->channels * tensor_element_bytes(tensor->type));
    step_fixture_fini(&alone);
}

/* False where the set leaves the shape to generic. */
static bool check_shape(const struct kernel_set *set, const struct kernel_set *generic,
                        const struct shape *shape, uint32_t seed)
{
    struct step_fixture found, expected;
    fixture_init(&found, &set->layout, shape, seed);
    fixture_init(&expected, &set->layout, shape, seed);
    const struct kernel *kernel = kernels_for_step(set, &found.step);
    const struct kernel *reference = kernels_for_step(generic, &found.step);
    if (kernel != reference) {
        step_fixture_run(&found, kernel, 0, shape->images, 1);
        step_fixture_run(&expected, reference, 0, shape->images, 1);
        check_surroundings(&found, shape->images);
        check_surroundings(&expected, shape->images);
        double difference = difference_of(&found, &expected, shape->images);
        if (!(difference <= tolerance_of(shape, kernel)))
            fail_msg("%s, seed %u: %u px, %u to %u channels, kernel %u, stride %u, groups %u, "
                     "%u images%s%s%s: off by %g of the largest",
                     kernel->name, seed, shape->in_px, shape->in_channels, shape->out_channels,
                     shape->kernel_px, shape->stride_px, shape->groups, shape->images,
                     shape->has_projection ? ", projection" : "",
                     shape->has_residual ? ", residual" : "",
                     shape->is_float_output ? ", to float32" : "", difference);
        check_alone(&set->layout, &found, shape, seed, kernel);
    }
    step_fixture_fini(&found);
    step_fixture_fini(&expected);
    return kernel != reference;
}

static struct shape draw_shape(uint32_t *state, enum step_arithmetic arithmetic)
{
    static const uint32_t groups[] = {1, 1, 1, 2, 8, 32};
    struct shape shape = {.groups = groups[step_fixture_draw(state, 6)],
                          .in_px = 2 + 2 * step_fixture_draw(state, 16),
                          .kernel_px = 1 + 2 * step_fixture_draw(state, 2),
                          .stride_px = 1 + step_fixture_draw(state, 2),
                          .images = 1 + step_fixture_draw(state, MAX_IMAGES),
                          .has_relu = step_fixture_draw(state, 2),
                          .has_residual = step_fixture_draw(state, 2),
                          .is_in_place = step_fixture_draw(state, 2),
                          .arithmetic = arithmetic};
    bool is_float32 = arithmetic == STEP_FLOAT32;
    uint32_t widest = is_float32 ? 590 : 190; /* the generic kernels of the others are slow */
    shape.in_channels = shape.groups * (1 + step_fixture_draw(state, shape.groups > 2 ? 9 : 90));
    shape.out_channels =
        shape.groups * (1 + step_fixture_draw(state, shape.groups > 2 ? 9 : widest));
    if (!is_float32 &&
        step_fixture_draw(state, 2)) { /* what whole K steps and panels of narrow groups want */
        shape.in_channels =
            shape.groups * 4 * (1 + step_fixture_draw(state, shape.groups > 2 ? 3 : 20));
        shape.in_px = 2 + 2 * step_fixture_draw(state, 7);
    }
    shape.has_projection = shape.groups == 1 && step_fixture_draw(state, 2);
    shape.is_float_output = !is_float32 && step_fixture_draw(state, 4) == 0;
    shape.is_extreme = !is_float32 && step_fixture_draw(state, 4) == 0;
    shape.is_u8 =
        arithmetic == STEP_INT8 || (arithmetic == STEP_BF16 && step_fixture_draw(state, 2));
    if (shape.is_u8 && !shape.is_float_output)
        shape.has_relu = true; /* u8 holds nothing below zero */
    return shape;
}

static const struct kernel_set *open_set(const char *name)
{
    const struct kernel_set *set = NULL;
    struct error error = {0};
    enum status status = kernels_choose(name, &set, &error);
    if (status == STATUS_UNSUPPORTED) {
        print_message("%s\n", error.text);
        skip();
    }
    if (status != STATUS_OK)
        fail_msg("%s", error.text);
    return set;
}

/* The number of shapes, of `count` drawn, that the set takes on itself. */
static unsigned check_random_shapes(const char *name, enum step_arithmetic arithmetic,
                                    uint32_t count)
{
    const struct kernel_set *set = open_set(name), *generic = open_set("generic");
    uint32_t draws = 7;
    unsigned supported = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct shape shape = draw_shape(&draws, arithmetic);
        supported += check_shape(set, generic, &shape, i + 1);
    }
    return supported;
}

static void check_first_layers(const char *name, enum step_arithmetic arithmetic)
{
    const struct kernel_set *set = open_set(name), *generic = open_set("generic");
    for (uint32_t side = 8; side < 80; side += 7) {
        struct shape shape = {.in_px = side,
                              .in_channels = 3,
                              .out_channels = 64 + side,
                              .kernel_px = 7,
                              .stride_px = 2,
                              .groups = 1,
                              .images = 1 + side % MAX_IMAGES,
                              .is_input = true,
                              .is_float_slot = side % 3 == 0,
                              .has_relu = true,
                              .arithmetic = arithmetic,
                              .is_u8 = arithmetic == STEP_INT8};
        assert_true(check_shape(set, generic, &shape, side));
    }
}

/* Layers whose cut has several strips and several blocks. */
static void check_large_layers(const char *name, enum step_arithmetic arithmetic)
{
    const struct kernel_set *set = open_set(name), *generic = open_set("generic");
    const struct shape shapes[] = {
        {.in_px = 56, .in_channels = 64, .out_channels = 64, .stride_px = 1, .groups = 1},
        {.in_px = 14, .in_channels = 256, .out_channels = 520, .stride_px = 1, .groups = 1},
        {.in_px = 28, .in_channels = 128, .out_channels = 128, .stride_px = 2, .groups = 32},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct shape shape = shapes[i];
        shape.kernel_px = 3;
        shape.images = 2 + i % 2;
        shape.has_relu = true;
        shape.arithmetic = arithmetic;
        shape.is_u8 = arithmetic == STEP_INT8;
        assert_true(check_shape(set, generic, &shape, (uint32_t)i + 1));
    }
}

static bool has_feature(const char *name)
{
#if defined(__x86_64__)
    bool is_there = strcmp(name, "vnni") == 0 ? __builtin_cpu_supports("avx512vnni")
                                              : __builtin_cpu_supports("avx512bf16");
    if (!is_there)
        print_message("this CPU has no AVX-512 %s\n", name);
    return is_there;
#else
    (void)name;
    return false;
#endif
}

static void blas_float32(void **state)
{
    (void)state;
    assert_in_range(check_random_shapes("blas", STEP_FLOAT32, 300), 200, 300);
    check_first_layers("blas", STEP_FLOAT32);
    check_large_layers("blas", STEP_FLOAT32);
}

static void avx2_float32(void **state)
{
    (void)state;
    assert_int_equal(check_random_shapes("avx2", STEP_FLOAT32, 300), 300);
    check_first_layers("avx2", STEP_FLOAT32);
    check_large_layers("avx2", STEP_FLOAT32);
}

static void avx2_bf16(void **state)
{
    (void)state;
    assert_int_equal(check_random_shapes("avx2", STEP_BF16, 150), 150);
    check_first_layers("avx2", STEP_BF16);
    check_large_layers("avx2", STEP_BF16);
}

static void avx2_int8(void **state)
{
    (void)state;
    assert_in_range(check_random_shapes("avx2", STEP_INT8, 150), 100, 150);
    check_first_layers("avx2", STEP_INT8);
    check_large_layers("avx2", STEP_INT8);
}

static void avx512_float32(void **state)
{
    (void)state;
    assert_int_equal(check_random_shapes("avx512", STEP_FLOAT32, 300), 300);
    check_first_layers("avx512", STEP_FLOAT32);
    check_large_layers("avx512", STEP_FLOAT32);
}

static void avx512_bf16(void **state)
{
    (void)state;
    (void)open_set("avx512");
    if (!has_feature("bf16"))
        skip();
    assert_in_range(check_random_shapes("avx512", STEP_BF16, 150), 80, 150);
    check_first_layers("avx512", STEP_BF16);
    check_large_layers("avx512", STEP_BF16);
}

static void avx512_int8(void **state)
{
    (void)state;
    (void)open_set("avx512");
    if (!has_feature("vnni"))
        skip();
    assert_in_range(check_random_shapes("avx512", STEP_INT8, 150), 100, 150);
    check_first_layers("avx512", STEP_INT8);
    check_large_layers("avx512", STEP_INT8);
}

/* Where a CPU has none, check_amx.c runs the kernels on an emulator. */
static void amx_bf16(void **state)
{
    (void)state;
    (void)open_set("amx");
    assert_in_range(check_random_shapes("amx", STEP_BF16, 150), 100, 150);
    check_first_layers("amx", STEP_BF16);
    check_large_layers("amx", STEP_BF16);
}

static void amx_int8(void **state)
{
    (void)state;
    (void)open_set("amx");
    assert_in_range(check_random_shapes("amx", STEP_INT8, 150), 100, 150);
    check_first_layers("amx", STEP_INT8);
    check_large_layers("amx", STEP_INT8);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blas_float32),   cmocka_unit_test(avx2_float32),
        cmocka_unit_test(avx2_bf16),      cmocka_unit_test(avx2_int8),
        cmocka_unit_test(avx512_float32), cmocka_unit_test(avx512_bf16),
        cmocka_unit_test(avx512_int8),    cmocka_unit_test(amx_bf16),
        cmocka_unit_test(amx_int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
