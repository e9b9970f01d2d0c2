#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/base/span.h"

static const uint8_t bytes[] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99};
static const struct span all = {bytes, sizeof bytes};

static void a_slice_lies_inside(void **state)
{
    (void)state;
    struct span slice = {0};
    assert_true(span_slice(all, 3, 4, &slice));
    assert_ptr_equal(slice.data, bytes + 3);
    assert_int_equal(slice.size, 4);
    assert_true(span_slice(all, 0, sizeof bytes, &slice));
    assert_int_equal(slice.size, sizeof bytes);
}

static void an_empty_slice_may_lie_at_the_end(void **state)
{
    (void)state;
    struct span slice = {0};
    assert_true(span_slice(all, sizeof bytes, 0, &slice));
    assert_ptr_equal(slice.data, bytes + sizeof bytes);
    assert_false(span_slice(all, sizeof bytes + 1, 0, &slice));
}

static void a_slice_that_leaves_is_refused_and_not_written(void **state)
{
    (void)state;
    const struct {
        uint64_t offset, size;
    } cases[] = {
        {0, sizeof bytes + 1},
        {9, 2},
        {sizeof bytes, 1},
        {11, 0},
        {UINT64_MAX, 1},
        {1, UINT64_MAX},
        /* 1 + size is 0 */ {UINT64_MAX, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span slice = {bytes, 123};
        assert_false(span_slice(all, cases[i].offset, cases[i].size, &slice));
        assert_int_equal(slice.size, 123);
    }
}

static void an_empty_span_has_nothing(void **state)
{
    (void)state;
    const struct span none = {NULL, 0};
    struct span slice = {bytes, 1};
    uint64_t value;
    assert_false(span_slice(none, 0, 1, &slice));
    assert_false(span_read_le(none, 0, 1, &value));
    assert_false(span_has(none, 0, "a", 1));
}

static void numbers_are_read_in_both_orders(void **state)
{
    (void)state;
    const struct {
        unsigned bytes;
        uint64_t little, big;
    } cases[] = {
        {1, 0x11, 0x11},
        {2, 0x2211, 0x1122},
        {3, 0x332211, 0x112233},
        {4, 0x44332211, 0x11223344},
        {8, 0x8877665544332211, 0x1122334455667788},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t little = 0, big = 0;
        assert_true(span_read_le(all, 1, cases[i].bytes, &little));
        assert_true(span_read_be(all, 1, cases[i].bytes, &big));
        assert_int_equal(little, cases[i].little);
        assert_int_equal(big, cases[i].big);
    }
}

static void a_number_that_is_cut_is_refused_and_not_written(void **state)
{
    (void)state;
    uint64_t value = 77;
    assert_true(span_read_le(all, 6, 4, &value));
    value = 77;
    assert_false(span_read_le(all, 7, 4, &value));
    assert_false(span_read_be(all, 7, 4, &value));
    assert_false(span_read_le(all, UINT64_MAX, 8, &value));
    assert_false(span_read_be(all, UINT64_MAX, 8, &value));
    assert_int_equal(value, 77);
}

static void bytes_are_compared_inside_only(void **state)
{
    (void)state;
    assert_true(span_has(all, 8, "\x88\x99", 2));
    assert_false(span_has(all, 8, "\x88\x98", 2));
    assert_false(span_has(all, 9, "\x99\x00", 2));
    assert_true(span_has(all, sizeof bytes, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_lies_inside),
        cmocka_unit_test(an_empty_slice_may_lie_at_the_end),
        cmocka_unit_test(a_slice_that_leaves_is_refused_and_not_written),
        cmocka_unit_test(an_empty_span_has_nothing),
        cmocka_unit_test(numbers_are_read_in_both_orders),
        cmocka_unit_test(a_number_that_is_cut_is_refused_and_not_written),
        cmocka_unit_test(bytes_are_compared_inside_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
