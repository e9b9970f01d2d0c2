#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights.h"

static struct weights_tensor tensor_of(enum weights_type type, const void *data, size_t bytes)
{
    return (struct weights_tensor){.name = "t", .type = type, .data = {data, bytes}};
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Values from IEEE 754's table of binary16, not from the code under test. */
static void every_kind_of_half_is_exact(void **state)
{
    (void)state;
    const uint16_t half[] = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400,
                             0x03ff, 0x0001, 0x8001, 0x3555, 0x7c00, 0xfc00};
    const uint32_t expect[] = {0x00000000, 0x80000000, 0x3f800000, 0xc0000000,
                               0x477fe000, 0x38800000, 0x387fc000, 0x33800000,
                               0xb3800000, 0x3eaaa000, 0x7f800000, 0xff800000};
    struct weights_tensor tensor = tensor_of(WEIGHTS_F16, half, sizeof half);
    tensor.rank = 1;
    tensor.shape[0] = tensor.count = 12;
    tensor.strides[0] = 1;
    float values[12];
    assert_int_equal(weights_copy_f32(&tensor, values, NULL), STATUS_OK);
    for (int i = 0; i < 12; i++)
        assert_int_equal(bits_of(values[i]), expect[i]);
}

static void half_nan_stays_nan(void **state)
{
    (void)state;
    const uint16_t half = 0x7e01;
    struct weights_tensor tensor = tensor_of(WEIGHTS_F16, &half, sizeof half);
    tensor.count = 1;
    float value;
    assert_int_equal(weights_copy_f32(&tensor, &value, NULL), STATUS_OK);
    assert_int_equal(bits_of(value), 0x7fc02000);
}

static void bfloat_and_double_convert(void **state)
{
    (void)state;
    const uint16_t bf16[] = {0x3f80, 0xc2f7, 0x0001};
    struct weights_tensor tensor = tensor_of(WEIGHTS_BF16, bf16, sizeof bf16);
    tensor.rank = 1;
    tensor.shape[0] = tensor.count = 3;
    tensor.strides[0] = 1;
    float values[3];
    assert_int_equal(weights_copy_f32(&tensor, values, NULL), STATUS_OK);
    assert_true(values[0] == 1.0f && values[1] == -123.5f);
    assert_int_equal(bits_of(values[2]), 0x00010000);

    const double wide[] = {1.0, -0.1, 1e300};
    tensor.type = WEIGHTS_F64;
    tensor.data = (struct span){(const uint8_t *)wide, sizeof wide};
    assert_int_equal(weights_copy_f32(&tensor, values, NULL), STATUS_OK);
    assert_true(values[0] == 1.0f && values[1] == -0.1f);
    assert_int_equal(bits_of(values[2]), 0x7f800000);
}

/* Channels last: [n, c, h, w] = [1, 2, 2, 3] stored as n, h, w, c. */
static void permuted_strides_come_out_row_major(void **state)
{
    (void)state;
    float stored[12];
    for (int h = 0; h < 2; h++)
        for (int w = 0; w < 3; w++)
            for (int c = 0; c < 2; c++)
                stored[(h * 3 + w) * 2 + c] = (float)(100 * c + 10 * h + w);
    struct weights_tensor tensor = tensor_of(WEIGHTS_F32, stored, sizeof stored);
    tensor.rank = 4;
    memcpy(tensor.shape, (uint64_t[]){1, 2, 2, 3}, 4 * sizeof(uint64_t));
    memcpy(tensor.strides, (uint64_t[]){99, 1, 6, 2}, 4 * sizeof(uint64_t));
    tensor.count = 12;
    float values[12];
    assert_int_equal(weights_copy_f32(&tensor, values, NULL), STATUS_OK);
    const float expect[] = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112};
    assert_memory_equal(values, expect, sizeof expect);
}

static void misaligned_bytes_are_read(void **state)
{
    (void)state;
    uint8_t bytes[9] = {0};
    const float pair[] = {1.5f, -2.25f};
    memcpy(bytes + 1, pair, sizeof pair);
    struct weights_tensor tensor = tensor_of(WEIGHTS_F32, bytes + 1, 8);
    tensor.rank = 1;
    tensor.shape[0] = tensor.count = 2;
    tensor.strides[0] = 1;
    float values[2];
    assert_int_equal(weights_copy_f32(&tensor, values, NULL), STATUS_OK);
    assert_memory_equal(values, pair, sizeof pair);
}

static void empty_writes_nothing_and_integers_are_refused(void **state)
{
    (void)state;
    struct weights_tensor tensor = tensor_of(WEIGHTS_F32, NULL, 0);
    tensor.rank = 2;
    tensor.shape[0] = 3;
    float untouched = 7;
    assert_int_equal(weights_copy_f32(&tensor, &untouched, NULL), STATUS_OK);
    assert_true(untouched == 7);

    struct error error = {0};
    const int64_t number = 5;
    tensor = tensor_of(WEIGHTS_I64, &number, sizeof number);
    tensor.count = 1;
    assert_int_equal(weights_copy_f32(&tensor, &untouched, &error), STATUS_BAD_MODEL);
    assert_string_equal(error.text, "tensor 't': type I64, floating point is wanted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_half_is_exact),
        cmocka_unit_test(half_nan_stays_nan),
        cmocka_unit_test(bfloat_and_double_convert),
        cmocka_unit_test(permuted_strides_come_out_row_major),
        cmocka_unit_test(misaligned_bytes_are_read),
        cmocka_unit_test(empty_writes_nothing_and_integers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
