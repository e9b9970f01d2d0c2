/* Pooling and the head against their definitions, worked out element by element in double; in
 * images whose rows are padded, in any unit order, with canaries behind the output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/kernels.h"
#include "tests/kernels/matrix_tensor.h"

enum { INPUT, OUTPUT, BUFFERS, IMAGES = 5, CANARY_FLOATS = 32 };

static const float canary = -777.25f;

struct fixture {
    struct tensor tensors[BUFFERS];
    float *memory[BUFFERS];
    uint8_t *buffers[BUFFERS];
    struct step step;
};

static void setup(struct fixture *fixture, struct tensor input, struct tensor output,
                  enum step_op op)
{
    *fixture = (struct fixture){.tensors = {input, output}};
    for (unsigned i = 0; i < BUFFERS; i++) {
        size_t count = IMAGES * fixture->tensors[i].image_stride + CANARY_FLOATS;
        fixture->memory[i] = calloc(count, sizeof(float));
        assert_non_null(fixture->memory[i]);
        for (size_t k = 0; k < count; k++)
            fixture->memory[i][k] = i == OUTPUT ? canary : sinf((float)k * 1.7f) - 0.5f;
        fixture->buffers[i] = (uint8_t *)fixture->memory[i];
    }
    fixture->step = (struct step){
        .op = op, .input = &fixture->tensors[INPUT], .output = &fixture->tensors[OUTPUT]};
    if (op == STEP_LINEAR)
        fixture->step.kernel_px = fixture->step.stride_px = fixture->step.groups = 1;
}

static void drop(struct fixture *fixture)
{
    free(fixture->memory[INPUT]);
    free(fixture->memory[OUTPUT]);
}

static void run(struct fixture *fixture, const struct kernel_set *set,
                const struct step_weights *weights, size_t first_image, size_t images)
{
    struct step *step = &fixture->step;
    step->kernel = kernels_for_step(set, step);
    assert_true(step->kernel->supports(step));
    void *packed = aligned_alloc(64, (step->kernel->packed_bytes(step) + 64) / 64 * 64);
    void *scratch = aligned_alloc(64, (step->kernel->scratch_bytes(step) + 64) / 64 * 64);
    assert_true(packed && scratch);
    assert_int_equal(step->kernel->pack == NULL, step->kernel->packed_bytes(step) == 0);
    if (step->kernel->pack)
        step->kernel->pack(step, weights, packed);
    step->packed = packed;
    const struct step_run run = {
        .step = step, .buffers = fixture->buffers, .first_image = first_image, .images = images};
    for (size_t unit = step->kernel->units(step, images); unit-- > 0;)
        step->kernel->run(&run, unit, unit + 1, scratch);
    free(packed);
    free(scratch);
}

static float input_at(const struct fixture *fixture, size_t image, uint32_t y, uint32_t x,
                      size_t channel)
{
    const struct tensor *input = &fixture->tensors[INPUT];
    return tensor_row_f32(input, fixture->buffers, image, y)[x * input->pixel_stride + channel];
}

static void check_padding_and_canaries(const struct fixture *fixture, size_t first_image,
                                       size_t images)
{
    const struct tensor *output = &fixture->tensors[OUTPUT];
    size_t used = output->height_px * output->row_stride;
    for (size_t image = 0; image < IMAGES; image++) {
        bool is_written = image >= first_image && image < first_image + images;
        const float *at = tensor_row_f32(output, fixture->buffers, image, 0);
        for (size_t i = 0; i < output->image_stride; i++)
            if (!is_written)
                assert_true(at[i] == canary);
            else if (i >= used)
                assert_true(at[i] == 0.0f);
    }
    for (size_t i = 0; i < CANARY_FLOATS; i++)
        assert_true(fixture->memory[OUTPUT][IMAGES * output->image_stride + i] == canary);
}

/* 3x3, stride 2, padding 1; all values below zero in a corner must not lose to the padding. */
static void max_pooling(const struct kernel_set *set)
{
    for (uint32_t side = 2; side < 16; side += 3) {
        struct fixture fixture;
        uint32_t out_px = (side + 2 - 3) / 2 + 1;
        setup(&fixture, matrix_tensor(side, 20, INPUT), matrix_tensor(out_px, 20, OUTPUT),
              STEP_MAX_POOL);
        fixture.step.kernel_px = 3;
        fixture.step.stride_px = 2;
        fixture.step.pad_px = 1;
        for (size_t i = 0; i < IMAGES * fixture.tensors[INPUT].image_stride; i++)
            fixture.memory[INPUT][i] -= 2.0f;
        run(&fixture, set, NULL, 1, 3);
        for (size_t image = 1; image < 4; image++)
            for (uint32_t y = 0; y < out_px; y++)
                for (uint32_t x = 0; x < out_px; x++)
                    for (size_t c = 0; c < 20; c++) {
                        float largest = -INFINITY;
                        for (uint32_t in_y = y ? 2 * y - 1 : 0; in_y < 2 * y + 2 && in_y < side;
                             in_y++)
                            for (uint32_t in_x = x ? 2 * x - 1 : 0; in_x < 2 * x + 2 && in_x < side;
                                 in_x++)
                                largest = fmaxf(largest, input_at(&fixture, image, in_y, in_x, c));
                        float found = tensor_row_f32(&fixture.tensors[OUTPUT], fixture.buffers,
                                                     image, y)[x * 20 + c];
                        assert_true(found == largest);
                    }
        check_padding_and_canaries(&fixture, 1, 3);
        drop(&fixture);
    }
}

/* A pixel is 8 elements longer than its channels; an image ends with its last row. */
static struct tensor typed_tensor(enum tensor_type type, uint32_t side, uint32_t channels,
                                  uint32_t buffer)
{
    size_t pixel = channels + 8;
    return (struct tensor){.type = type,
                           .height_px = side,
                           .width_px = side,
                           .channels = channels,
                           .scale = 1.0f,
                           .pixel_stride = pixel,
                           .row_stride = side * pixel,
                           .image_stride = side * side * pixel,
                           .buffer = buffer};
}

/* Levels, or numbers of both signs; what a pixel has behind its channels is larger. */
static void fill_typed(const struct tensor *tensor, uint8_t *memory)
{
    for (size_t i = 0; i < IMAGES * tensor->image_stride; i++) {
        bool is_channel = i % tensor->pixel_stride < tensor->channels;
        float value = is_channel ? 100.0f * sinf((float)i * 1.7f) : 120.0f;
        if (tensor->type == TENSOR_U8)
            memory[i] = (uint8_t)(value + 120.0f);
        else if (tensor->type == TENSOR_BF16)
            ((uint16_t *)(void *)memory)[i] = bfloat16_of_f32(value);
        else
            ((float *)(void *)memory)[i] = value;
    }
}

/* The largest of the 3x3 at stride 2 with padding 1. */
static float largest_of(const struct fixture *fixture, size_t image, uint32_t y, uint32_t x,
                        size_t c)
{
    const struct tensor *input = &fixture->tensors[INPUT];
    float largest = -INFINITY;
    for (uint32_t in_y = y ? 2 * y - 1 : 0; in_y < 2 * y + 2 && in_y < input->height_px; in_y++)
        for (uint32_t in_x = x ? 2 * x - 1 : 0; in_x < 2 * x + 2 && in_x < input->width_px; in_x++)
            largest = fmaxf(
                largest,
                tensor_value(input, tensor_pixel(input, fixture->buffers, image, in_y, in_x), c));
    return largest;
}

static void setup_max_pool(struct fixture *fixture, enum tensor_type type, uint32_t side,
                           uint32_t channels)
{
    setup(fixture, typed_tensor(type, side, channels, INPUT),
          typed_tensor(type, (side + 1) / 2, channels, OUTPUT), STEP_MAX_POOL);
    fixture->step.kernel_px = 3;
    fixture->step.stride_px = 2;
    fixture->step.pad_px = 1;
}

/* Nothing but the channels of one image is written. */
static void typed_max_pooling(const struct kernel_set *set, enum tensor_type type, uint32_t side,
                              uint32_t channels)
{
    enum { IMAGE = 2, UNTOUCHED = 0x5a };
    struct fixture fixture;
    setup_max_pool(&fixture, type, side, channels);
    const struct tensor *output = &fixture.tensors[OUTPUT];
    fill_typed(&fixture.tensors[INPUT], fixture.buffers[INPUT]);
    size_t bytes = IMAGES * output->image_stride * tensor_element_bytes(type) + CANARY_FLOATS;
    memset(fixture.buffers[OUTPUT], UNTOUCHED, bytes);
    run(&fixture, set, NULL, IMAGE, 1);
    for (uint32_t y = 0; y < output->height_px; y++)
        for (uint32_t x = 0; x < output->width_px; x++) {
            uint8_t *pixel = tensor_pixel(output, fixture.buffers, IMAGE, y, x);
            for (size_t c = 0; c < channels; c++)
                assert_true(tensor_value(output, pixel, c) == largest_of(&fixture, IMAGE, y, x, c));
            memset(pixel, UNTOUCHED, channels * tensor_element_bytes(type));
        }
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(fixture.buffers[OUTPUT][i], UNTOUCHED);
    drop(&fixture);
}

static void max_pooling_of_types(const struct kernel_set *set)
{
    static const enum tensor_type types[] = {TENSOR_U8, TENSOR_BF16, TENSOR_F32};
    static const uint32_t channels[] = {1, 8, 16, 31, 33, 64, 100};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
            for (uint32_t side = 1; side < 12; side += 3)
                typed_max_pooling(set, types[t], side, channels[c]);
}

/* Which zero or NaN of a window is taken shows in bits alone, and must be generic's. */
static void max_pooling_of_odd_numbers(const struct kernel_set *set)
{
    static const float odd[] = {NAN, 0.0f, -0.0f, INFINITY, -INFINITY, -1.0f, 1e-40f};
    enum { SIDE = 9, CHANNELS = 100 };
    const struct kernel_set *generic = NULL;
    assert_int_equal(kernels_choose("generic", &generic, NULL), STATUS_OK);
    struct fixture fixtures[2];
    uint32_t random = 1;
    for (size_t f = 0; f < 2; f++)
        setup_max_pool(&fixtures[f], TENSOR_F32, SIDE, CHANNELS);
    for (size_t i = 0; i < IMAGES * fixtures[0].tensors[INPUT].image_stride; i++) {
        random = random * 1664525 + 1013904223;
        fixtures[0].memory[INPUT][i] = fixtures[1].memory[INPUT][i] =
            odd[(random >> 16) % (sizeof odd / sizeof *odd)];
    }
    run(&fixtures[0], set, NULL, 0, IMAGES);
    run(&fixtures[1], generic, NULL, 0, IMAGES);
    assert_memory_equal(fixtures[0].memory[OUTPUT], fixtures[1].memory[OUTPUT],
                        IMAGES * fixtures[0].tensors[OUTPUT].image_stride * sizeof(float));
    drop(&fixtures[0]);
    drop(&fixtures[1]);
}

static void average_pooling(const struct kernel_set *set)
{
    struct fixture fixture;
    setup(&fixture, matrix_tensor(7, 33, INPUT), matrix_tensor(1, 33, OUTPUT), STEP_AVERAGE_POOL);
    run(&fixture, set, NULL, 2, 2);
    for (size_t image = 2; image < 4; image++)
        for (size_t c = 0; c < 33; c++) {
            double sum = 0;
            for (uint32_t y = 0; y < 7; y++)
                for (uint32_t x = 0; x < 7; x++)
                    sum += (double)input_at(&fixture, image, y, x, c);
            float found = tensor_row_f32(&fixture.tensors[OUTPUT], fixture.buffers, image, 0)[c];
            assert_true(fabs((double)found - sum / 49) < 1e-6);
        }
    check_padding_and_canaries(&fixture, 2, 2);
    drop(&fixture);
}

/* More outputs than a strip, and a number that leaves part of one. */
static void linear_layers(const struct kernel_set *set)
{
    static const uint32_t widths[] = {1, 10, 128, 129, 300};
    enum { IN = 70 };
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        uint32_t out = widths[w];
        struct fixture fixture;
        setup(&fixture, matrix_tensor(1, IN, INPUT), matrix_tensor(1, out, OUTPUT), STEP_LINEAR);
        float *weight = calloc((size_t)out * IN, sizeof *weight), *bias = calloc(out, sizeof *bias);
        assert_true(weight && bias);
        for (size_t i = 0; i < (size_t)out * IN; i++)
            weight[i] = cosf((float)i * 0.37f);
        for (size_t o = 0; o < out; o++)
            bias[o] = (float)o / 16.0f;
        const struct step_weights weights = {weight, bias, NULL, NULL};
        run(&fixture, set, &weights, 0, IMAGES);
        for (size_t image = 0; image < IMAGES; image++)
            for (size_t o = 0; o < out; o++) {
                double sum = (double)bias[o];
                for (size_t c = 0; c < IN; c++)
                    sum += (double)weight[o * IN + c] * (double)input_at(&fixture, image, 0, 0, c);
                float found =
                    tensor_row_f32(&fixture.tensors[OUTPUT], fixture.buffers, image, 0)[o];
                assert_true(fabs((double)found - sum) < 2e-5);
            }
        check_padding_and_canaries(&fixture, 0, IMAGES);
        free(weight);
        free(bias);
        drop(&fixture);
    }
}

/* Every set that this machine can run; what a set does not have comes from generic. */
static void check_sets(void (*check)(const struct kernel_set *set))
{
    for (size_t i = 0; kernels_name(i); i++) {
        const struct kernel_set *set = NULL;
        struct error error = {0};
        if (kernels_choose(kernels_name(i), &set, &error) == STATUS_OK)
            check(set);
        else
            print_message("%s\n", error.text);
    }
}

static void max_pooling_is_right(void **state)
{
    (void)state;
    check_sets(max_pooling);
    check_sets(max_pooling_of_types);
    check_sets(max_pooling_of_odd_numbers);
}

static void average_pooling_is_right(void **state)
{
    (void)state;
    check_sets(average_pooling);
}

static void linear_layers_are_right(void **state)
{
    (void)state;
    check_sets(linear_layers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_pooling_is_right),
        cmocka_unit_test(average_pooling_is_right),
        cmocka_unit_test(linear_layers_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
