/* The AMX convolutions against generic ones, step by step: random shapes with odd sizes, every pair
 * of types, extreme values, layouts with and without halos, canaries around and between all that
 * may be written. Where the CPU has no AMX their machine code runs on the emulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/amx/conv_bf16_amx.h"
#include "model/kernels/amx/conv_u8_amx.h"
#include "model/kernels/cpu.h"
#include "model/kernels/kernels.h"
#include "tests/kernels/step_fixture.h"
#include "tests/support/amx_emulator.h"

enum { MAX_IMAGES = STEP_FIXTURE_MAX_IMAGES, NONE = -1 };

struct shape {
    enum step_arithmetic arithmetic;
    uint32_t height_px, width_px, channels, out_channels, kernel_px, stride_px, pad_px;
    uint32_t projection_channels, projection_stride_px; /* 0 channels: none */
    uint32_t images;
    enum tensor_type input, output, projection;
    int residual; /* a type, or NONE */
    bool is_in_place, has_relu;
    bool has_halo;      /* as wide as the padding, else none */
    size_t slack_bytes; /* behind a pixel's channels */
    bool is_extreme;
    bool is_slot, is_float_slot; /* STEP_CONV_INPUT */
};

static struct tensor make_tensor(const struct shape *shape, uint32_t height_px, uint32_t width_px,
                                 uint32_t channels, enum tensor_type type, uint32_t halo_px,
                                 uint32_t buffer)
{
    size_t element = tensor_element_bytes(type);
    size_t pixel = channels + (shape->slack_bytes + element - 1) / element;
    size_t row = (width_px + 2 * (size_t)halo_px) * pixel;
    /* a padding of three pixels behind an image without a halo */
    size_t image = (height_px + 2 * (size_t)halo_px) * row + (halo_px ? 0 : 3 * pixel);
    return (struct tensor){.type = type,
                           .height_px = height_px,
                           .width_px = width_px,
                           .channels = channels,
                           .halo_px = halo_px,
                           .scale = type == TENSOR_U8 ? 0.03125f * (float)(1 + buffer) : 1.0f,
                           .pixel_stride = pixel,
                           .row_stride = row,
                           .image_stride = image,
                           .buffer = buffer,
                           .offset_bytes = halo_px * (row + pixel) * element};
}

static float draw_float(bool is_extreme, uint32_t *state)
{
    static const float extremes[] = {0.0f, -0.0f, 1e-40f, -1e-39f, 100.0f, -100.0f, FLT_MIN};
    if (is_extreme && step_fixture_draw(state, 8) == 0)
        return extremes[step_fixture_draw(state, 7)];
    return step_fixture_draw_value(state);
}

static void fill_element(const struct tensor *tensor, uint8_t *pixel, size_t index, bool is_extreme,
                         uint32_t *state)
{
    static const uint8_t levels[] = {0, 255, 1, 128, 127, 254};
    float value = draw_float(is_extreme, state);
    uint16_t half = bfloat16_of_f32(value);
    if (tensor->type == TENSOR_F32)
        memcpy(pixel + 4 * index, &value, 4);
    else if (tensor->type == TENSOR_BF16)
        memcpy(pixel + 2 * index, &half, 2);
    else
        pixel[index] = is_extreme ? levels[step_fixture_draw(state, 6)]
                                  : (uint8_t)step_fixture_draw(state, 256);
}

/* Noise that is a NaN in every type, zeros in the halo, values in the pixels. */
static void fill_tensor(struct step_fixture *fixture, unsigned index, bool is_extreme,
                        uint32_t *state)
{
    const struct tensor *tensor = &fixture->tensors[index];
    size_t element = tensor_element_bytes(tensor->type);
    step_fixture_add_buffer(fixture, index, MAX_IMAGES);
    if (tensor->halo_px == 0)
        memset(fixture->buffers[index], 0xff, fixture->bytes[index]);
    for (size_t image = 0; image < MAX_IMAGES; image++)
        for (size_t y = 0; y < tensor->height_px; y++)
            for (size_t x = 0; x < tensor->width_px; x++) {
                uint8_t *pixel = tensor_pixel(tensor, fixture->buffers, image, y, x);
                memset(pixel, 0xff, tensor->pixel_stride * element);
                for (size_t c = 0; c < tensor->channels; c++)
                    fill_element(tensor, pixel, c, is_extreme, state);
            }
}

static float *draw_weights(size_t count, float reach, bool is_extreme, uint32_t *state)
{
    float *weights = step_fixture_allocate(count * sizeof *weights);
    for (size_t i = 0; i < count; i++)
        weights[i] = reach * (is_extreme && step_fixture_draw(state, 2)
                                  ? (step_fixture_draw(state, 2) ? 1.0f : -1.0f)
                                  : draw_float(false, state));
    return weights;
}

static uint32_t out_px(uint32_t in_px, const struct shape *shape)
{
    return (in_px + 2 * shape->pad_px - shape->kernel_px) / shape->stride_px + 1;
}

static void init_tensors(struct step_fixture *fixture, const struct shape *shape, uint32_t *state)
{
    uint32_t height = out_px(shape->height_px, shape), width = out_px(shape->width_px, shape);
    enum tensor_type residual =
        shape->residual == NONE ? TENSOR_F32 : (enum tensor_type)shape->residual;
    fixture->tensors[STEP_FIXTURE_INPUT] =
        make_tensor(shape, shape->height_px, shape->width_px, shape->channels, shape->input,
                    shape->has_halo ? shape->pad_px : 0, STEP_FIXTURE_INPUT);
    fixture->tensors[STEP_FIXTURE_OUTPUT] =
        make_tensor(shape, height, width, shape->out_channels, shape->output,
                    shape->has_halo ? 1 : 0, STEP_FIXTURE_OUTPUT);
    fixture->tensors[STEP_FIXTURE_RESIDUAL] =
        make_tensor(shape, height, width, shape->out_channels, residual, 0, STEP_FIXTURE_RESIDUAL);
    uint32_t stride = shape->projection_stride_px ? shape->projection_stride_px : 1;
    fixture->tensors[STEP_FIXTURE_PROJECTION] =
        make_tensor(shape, height * stride, width * stride,
                    shape->projection_channels ? shape->projection_channels : 1, shape->projection,
                    0, STEP_FIXTURE_PROJECTION);
    for (unsigned i = 0; i < STEP_FIXTURE_BUFFERS; i++)
        fill_tensor(fixture, i, shape->is_extreme, state);
}

/* Each slot is as large as its pixels, so that reading on is found. */
static void make_slots(struct step_fixture *fixture, const struct shape *shape, uint32_t *state)
{
    struct tensor *input = &fixture->tensors[STEP_FIXTURE_INPUT];
    input->pixel_stride = 3;
    input->row_stride = (size_t)input->width_px * 3;
    step_fixture_draw_slots(fixture, MAX_IMAGES, shape->is_float_slot, 0, state);
}

static void fixture_init(struct step_fixture *fixture, const struct shape *shape, uint32_t seed)
{
    uint32_t state = seed;
    *fixture = (struct step_fixture){0};
    init_tensors(fixture, shape, &state);
    size_t taps = (size_t)shape->kernel_px * shape->kernel_px * shape->channels;
    size_t out = shape->out_channels;
    fixture->weight = draw_weights(out * taps, 0.5f, shape->is_extreme, &state);
    fixture->bias = draw_weights(out, 2.0f, false, &state);
    fixture->projection =
        draw_weights(out * shape->projection_channels, 0.5f, shape->is_extreme, &state);
    fixture->scale = draw_weights(out, 0.0f, false, &state);
    for (size_t i = 0; i < out; i++) /* some clip their weights */
        fixture->scale[i] = 0.0002f * (float)(1 + step_fixture_draw(&state, 8));
    if (shape->is_slot)
        make_slots(fixture, shape, &state);
    step_fixture_set_step(fixture,
                          &(struct step){.op = shape->is_slot ? STEP_CONV_INPUT : STEP_CONV,
                                         .arithmetic = shape->arithmetic,
                                         .kernel_px = shape->kernel_px,
                                         .stride_px = shape->stride_px,
                                         .pad_px = shape->pad_px,
                                         .groups = 1,
                                         .has_relu = shape->has_relu});
    if (shape->residual != NONE) {
        bool is_in_place = shape->is_in_place && (int)shape->output == shape->residual;
        fixture->step.residual =
            &fixture->tensors[is_in_place ? STEP_FIXTURE_OUTPUT : STEP_FIXTURE_RESIDUAL];
    }
    if (shape->projection_channels) {
        fixture->step.projection = &fixture->tensors[STEP_FIXTURE_PROJECTION];
        fixture->step.projection_stride_px = shape->projection_stride_px;
    }
}

static const struct kernel *amx_kernel(enum step_arithmetic arithmetic)
{
    return arithmetic == STEP_INT8 ? &conv_u8_amx : &conv_bf16_amx;
}

/* Ends the test where the kernels cannot run. */
static enum amx_emulator_state install(void)
{
    struct cpu_features cpu = cpu_probe();
    enum amx_emulator_state state = AMX_EMULATOR_UNSUPPORTED;
    if (cpu.has_avx512 && cpu.has_avx512_bf16)
        state = amx_emulator_install();
    if (state == AMX_EMULATOR_UNSUPPORTED) {
        print_message("skipped: what is around the tiles needs AVX-512 with BF16\n");
        skip();
    }
    return state;
}

/* How far a bfloat16 network's value may be off: the order of the sums, then the output's step. */
static double allowed(const struct tensor *output, double value, double largest, double terms)
{
    double order = (double)FLT_EPSILON * sqrt(terms) * 4 * largest;
    if (output->type == TENSOR_F32)
        return order;
    return order + (output->type == TENSOR_BF16 ? fabs(value) / 128 : (double)output->scale * 1.01);
}

static void compare_values(const struct step_fixture *found, const struct step_fixture *expected,
                           double terms, uint32_t seed)
{
    const struct tensor *output = &found->tensors[STEP_FIXTURE_OUTPUT];
    double largest = 1;
    for (int pass = 0; pass < 2; pass++)
        for (size_t image = 0; image < MAX_IMAGES; image++)
            for (size_t y = 0; y < output->height_px; y++)
                for (size_t x = 0; x < output->width_px; x++)
                    for (size_t c = 0; c < output->channels; c++) {
                        double a = (double)tensor_value(
                            output, tensor_pixel(output, found->buffers, image, y, x), c);
                        double b = (double)tensor_value(
                            output, tensor_pixel(output, expected->buffers, image, y, x), c);
                        largest = fmax(largest, fabs(b));
                        if (pass == 1 && !(fabs(a - b) <= allowed(output, b, largest, terms)))
                            fail_msg("seed %u: image %zu, pixel %zu %zu, channel %zu: %g, not %g",
                                     seed, image, y, x, c, a, b);
                    }
}

/* Leaves what is no element of the output, which must be as the generic kernel left it. */
static void forget_values(struct step_fixture *found, struct step_fixture *expected)
{
    const struct tensor *output = &found->tensors[STEP_FIXTURE_OUTPUT];
    size_t bytes = output->channels * tensor_element_bytes(output->type);
    for (size_t image = 0; image < MAX_IMAGES; image++)
        for (size_t y = 0; y < output->height_px; y++)
            for (size_t x = 0; x < output->width_px; x++) {
                memset(tensor_pixel(output, found->buffers, image, y, x), 0, bytes);
                memset(tensor_pixel(output, expected->buffers, image, y, x), 0, bytes);
            }
}

/* int8 is exact, to the last byte of all buffers. */
static void check_shape(const struct shape *shape, uint32_t seed, enum amx_emulator_state emulator)
{
    const struct kernel *kernel = amx_kernel(shape->arithmetic);
    const struct kernel_set *generic;
    struct step_fixture found, expected;
    assert_int_equal(kernels_choose("generic", &generic, NULL), STATUS_OK);
    fixture_init(&found, shape, seed);
    fixture_init(&expected, shape, seed);
    assert_true(kernel->supports(&found.step));
    unsigned long count = amx_emulator_count();
    size_t first = seed % (MAX_IMAGES - shape->images + 1);
    step_fixture_run(&found, kernel, first, shape->images, 1 + seed % 5);
    assert_int_equal(amx_emulator_count() > count, emulator == AMX_EMULATOR_ON);
    step_fixture_run(&expected, kernels_for_step(generic, &expected.step), first, shape->images,
                     1000);
    double terms =
        (double)shape->kernel_px * shape->kernel_px * shape->channels + shape->projection_channels;
    compare_values(&found, &expected, terms, seed);
    if (shape->arithmetic == STEP_BF16)
        forget_values(&found, &expected);
    for (unsigned i = 0; i < STEP_FIXTURE_BUFFERS; i++)
        if (memcmp(found.memory[i], expected.memory[i], found.bytes[i] + 2 * STEP_FIXTURE_MARGIN) !=
            0)
            fail_msg("seed %u: buffer %u differs in a byte", seed, i);
    step_fixture_fini(&found);
    step_fixture_fini(&expected);
}

static enum tensor_type draw_type(uint32_t *state)
{
    return (enum tensor_type)step_fixture_draw(state, 3);
}

static struct shape draw_shape(enum step_arithmetic arithmetic, uint32_t *state)
{
    static const uint32_t kernels[] = {1, 1, 3, 3, 5};
    struct shape shape = {.arithmetic = arithmetic,
                          .height_px = 5 + step_fixture_draw(state, 9),
                          .width_px = 5 + step_fixture_draw(state, 30),
                          .channels =
                              step_fixture_draw(state, 2) ? 64 : 1 + step_fixture_draw(state, 140),
                          .out_channels = 1 + step_fixture_draw(state, 100),
                          .kernel_px = kernels[step_fixture_draw(state, 5)],
                          .stride_px = 1 + step_fixture_draw(state, 2),
                          .images = 1 + step_fixture_draw(state, MAX_IMAGES),
                          .input = TENSOR_U8,
                          .output = draw_type(state),
                          .projection = TENSOR_U8,
                          .residual = (int)step_fixture_draw(state, 4) - 1,
                          .is_in_place = step_fixture_draw(state, 2),
                          .has_relu = step_fixture_draw(state, 2),
                          .has_halo = step_fixture_draw(state, 4) > 0,
                          .slack_bytes = step_fixture_draw(state, 3) * 64,
                          .is_extreme = step_fixture_draw(state, 3) == 0};
    shape.pad_px = step_fixture_draw(state, 4) ? shape.kernel_px / 2 : 0;
    if (step_fixture_draw(state, 2)) {
        shape.projection_channels = 1 + step_fixture_draw(state, 80);
        shape.projection_stride_px = 1 + step_fixture_draw(state, 2);
    }
    if (arithmetic == STEP_BF16) {
        shape.input = step_fixture_draw(state, 4) ? TENSOR_BF16 : TENSOR_U8;
        shape.projection = step_fixture_draw(state, 4) ? TENSOR_BF16 : TENSOR_U8;
    }
    return shape;
}

static void check_random_shapes(enum step_arithmetic arithmetic)
{
    enum amx_emulator_state emulator = install();
    uint32_t draws = 11;
    for (uint32_t seed = 1; seed <= 150; seed++) {
        struct shape shape = draw_shape(arithmetic, &draws);
        check_shape(&shape, seed, emulator);
    }
}

static void int8_equals_generic(void **state)
{
    (void)state;
    check_random_shapes(STEP_INT8);
}

static void bf16_agrees_with_generic(void **state)
{
    (void)state;
    check_random_shapes(STEP_BF16);
}

/* A layer of ResNet-50 as its plan lays it out. */
static void check_layer(enum step_arithmetic arithmetic, uint32_t side_px, uint32_t channels,
                        uint32_t out_channels, uint32_t kernel_px, uint32_t stride_px,
                        uint32_t projection_channels)
{
    enum tensor_type type = arithmetic == STEP_INT8 ? TENSOR_U8 : TENSOR_BF16;
    const struct shape shape = {.arithmetic = arithmetic,
                                .height_px = side_px,
                                .width_px = side_px,
                                .channels = channels,
                                .out_channels = out_channels,
                                .kernel_px = kernel_px,
                                .stride_px = stride_px,
                                .pad_px = kernel_px / 2,
                                .projection_channels = projection_channels,
                                .projection_stride_px = 2,
                                .images = 1,
                                .input = type,
                                .output = type,
                                .projection = type,
                                .residual = projection_channels ? NONE : (int)type,
                                .is_in_place = true,
                                .has_relu = true,
                                .has_halo = true,
                                .slack_bytes = 64};
    check_shape(&shape, side_px, install());
}

static void layers_of_resnet50(void **state)
{
    (void)state;
    for (int arithmetic = STEP_BF16; arithmetic <= STEP_INT8; arithmetic++) {
        check_layer((enum step_arithmetic)arithmetic, 56, 64, 64, 3, 1, 0);
        check_layer((enum step_arithmetic)arithmetic, 28, 128, 96, 3, 2, 0);
        check_layer((enum step_arithmetic)arithmetic, 14, 256, 160, 1, 1, 512);
        check_layer((enum step_arithmetic)arithmetic, 7, 512, 70, 3, 1, 0);
    }
}

/* Pixels at one distance whose taps reach over the upper and left edge alone, and no halo there:
 * what may not be loaded from where it lies, although the last tap may. */
static void an_edge_without_halo(void **state)
{
    (void)state;
    enum amx_emulator_state emulator = install();
    for (int arithmetic = STEP_BF16; arithmetic <= STEP_INT8; arithmetic++) {
        enum tensor_type type = arithmetic == STEP_INT8 ? TENSOR_U8 : TENSOR_BF16;
        const struct shape shape = {.arithmetic = (enum step_arithmetic)arithmetic,
                                    .height_px = 6,
                                    .width_px = 64,
                                    .channels = 64,
                                    .out_channels = 33,
                                    .kernel_px = 3,
                                    .stride_px = 2,
                                    .pad_px = 1,
                                    .images = 2,
                                    .input = type,
                                    .output = TENSOR_F32,
                                    .residual = NONE};
        check_shape(&shape, 1, emulator);
    }
}

static void first_layers(void **state)
{
    (void)state;
    enum amx_emulator_state emulator = install();
    static const enum tensor_type types[] = {TENSOR_U8, TENSOR_BF16, TENSOR_F32};
    for (uint32_t seed = 1; seed <= 24; seed++) {
        bool is_int8 = seed % 2;
        const struct shape shape = {.arithmetic = is_int8 ? STEP_INT8 : STEP_BF16,
                                    .height_px = 11 + seed % 7,
                                    .width_px = 17 + 3 * (seed % 11),
                                    .channels = 3,
                                    .out_channels = 30 + seed,
                                    .kernel_px = seed % 8 ? 7 : 11,
                                    .stride_px = 1 + seed % 3,
                                    .pad_px = seed % 5 ? 3 : 0,
                                    .images = 1 + seed % MAX_IMAGES,
                                    .input = TENSOR_U8,
                                    .output = types[seed % 3],
                                    .residual = NONE,
                                    .has_relu = seed % 4 > 0,
                                    .has_halo = seed % 2,
                                    .slack_bytes = 64,
                                    .is_slot = true,
                                    .is_float_slot = seed % 6 > 3};
        check_shape(&shape, seed, emulator);
    }
}

/* The same images in one batch and alone in other slots, in pieces of other sizes, laid out with
 * and without a halo, so gathered or loaded where they lie. */
static void check_same_bits(enum step_arithmetic arithmetic)
{
    enum tensor_type type = arithmetic == STEP_INT8 ? TENSOR_U8 : TENSOR_BF16;
    struct shape shape = {.arithmetic = arithmetic,
                          .height_px = 9,
                          .width_px = 17,
                          .channels = 64,
                          .out_channels = 70,
                          .kernel_px = 3,
                          .stride_px = 1,
                          .pad_px = 1,
                          .projection_channels = 64,
                          .projection_stride_px = 1,
                          .images = MAX_IMAGES,
                          .input = type,
                          .output = TENSOR_F32,
                          .projection = type,
                          .residual = NONE,
                          .has_halo = true};
    struct step_fixture batch, alone;
    fixture_init(&batch, &shape, 5);
    step_fixture_run(&batch, amx_kernel(arithmetic), 0, MAX_IMAGES, 1000);
    for (unsigned way = 0; way < 4; way++) {
        shape.has_halo = way % 2;
        fixture_init(&alone, &shape, 5);
        for (size_t image = 0; image < MAX_IMAGES; image += way < 2 ? 1 : 3)
            step_fixture_run(&alone, amx_kernel(arithmetic), image,
                             way < 2      ? 1
                             : image == 3 ? 1
                                          : 3,
                             1 + way);
        const struct tensor *outputs[2] = {&batch.tensors[STEP_FIXTURE_OUTPUT],
                                           &alone.tensors[STEP_FIXTURE_OUTPUT]};
        for (size_t image = 0; image < MAX_IMAGES; image++)
            for (size_t y = 0; y < outputs[0]->height_px; y++)
                for (size_t x = 0; x < outputs[0]->width_px; x++)
                    assert_memory_equal(tensor_pixel(outputs[0], batch.buffers, image, y, x),
                                        tensor_pixel(outputs[1], alone.buffers, image, y, x),
                                        outputs[0]->channels * sizeof(float));
        step_fixture_fini(&alone);
    }
    step_fixture_fini(&batch);
}

static void same_image_same_bits(void **state)
{
    (void)state;
    install();
    check_same_bits(STEP_INT8);
    check_same_bits(STEP_BF16);
}

static void what_is_left_to_others(void **state)
{
    (void)state;
    struct tensor bf16 = {.type = TENSOR_BF16, .height_px = 1, .width_px = 1, .channels = 64};
    struct tensor u8 = bf16, f32 = bf16;
    u8.type = TENSOR_U8;
    f32.type = TENSOR_F32;
    struct step step = {.op = STEP_CONV,
                        .arithmetic = STEP_INT8,
                        .input = &u8,
                        .output = &u8,
                        .kernel_px = 1,
                        .stride_px = 1,
                        .groups = 1};
    assert_true(conv_u8_amx.supports(&step));
    assert_false(conv_bf16_amx.supports(&step));
    step.groups = 32;
    assert_false(conv_u8_amx.supports(&step));
    step.groups = 1;
    step.projection = &bf16;
    assert_false(conv_u8_amx.supports(&step));
    step.arithmetic = STEP_BF16;
    assert_true(conv_bf16_amx.supports(&step));
    step.input = &f32;
    assert_false(conv_bf16_amx.supports(&step));
    step.arithmetic = STEP_FLOAT32;
    assert_false(conv_bf16_amx.supports(&step) || conv_u8_amx.supports(&step));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_equals_generic),    cmocka_unit_test(bf16_agrees_with_generic),
        cmocka_unit_test(layers_of_resnet50),     cmocka_unit_test(an_edge_without_halo),
        cmocka_unit_test(first_layers),           cmocka_unit_test(same_image_same_bits),
        cmocka_unit_test(what_is_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
