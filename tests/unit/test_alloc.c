#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/base/alloc.h"

static void products_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    size_t product = 5;
    assert_true(checked_mul(SIZE_MAX / 3, 3, &product));
    assert_int_equal(product, SIZE_MAX / 3 * 3);
    assert_true(checked_mul(SIZE_MAX, 0, &product));
    assert_int_equal(product, 0);
    product = 5;
    assert_false(checked_mul(SIZE_MAX / 3 + 1, 3, &product));
    assert_false(checked_mul((size_t)1 << 32, (size_t)1 << 32, &product)); /* 0 if it wrapped */
    assert_int_equal(product, 5);
}

static void sums_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    size_t sum = 5;
    assert_true(checked_add(SIZE_MAX - 1, 1, &sum));
    assert_int_equal(sum, SIZE_MAX);
    sum = 5;
    assert_false(checked_add(SIZE_MAX, 1, &sum));
    assert_int_equal(sum, 5);
}

static void an_array_is_zeroed_and_whole(void **state)
{
    (void)state;
    uint32_t *numbers = alloc_array(1000, sizeof *numbers, 4000);
    assert_non_null(numbers);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], 0);
    memset(numbers, 0xff, 4000); /* a sanitizer sees whether it is that large */
    free(numbers);
}

static void an_array_over_its_limit_is_refused(void **state)
{
    (void)state;
    assert_null(alloc_array(1000, 4, 3999));
    assert_null(alloc_array(1, 1, 0));
}

static void an_array_whose_size_wraps_is_refused(void **state)
{
    (void)state;
    assert_null(alloc_array(SIZE_MAX / 8 + 2, 8, SIZE_MAX)); /* 8 bytes if it wrapped */
    assert_null(alloc_array(SIZE_MAX, SIZE_MAX, SIZE_MAX));  /* 1 byte */
}

static void an_array_beyond_the_machine_is_refused(void **state)
{
    (void)state;
    assert_null(alloc_array((size_t)1 << 60, 1, SIZE_MAX));
}

static void an_empty_array_is_not_null(void **state)
{
    (void)state;
    void *nothing = alloc_array(0, 16, 100);
    assert_non_null(nothing);
    free(nothing);
    nothing = alloc_array(16, 0, 0);
    assert_non_null(nothing);
    free(nothing);
}

static void a_string_is_copied_up_to_its_limit(void **state)
{
    (void)state;
    char text[] = "abc";
    char *copy = alloc_string(text, 4);
    assert_non_null(copy);
    text[0] = 'x';
    assert_string_equal(copy, "abc");
    free(copy);
    assert_null(alloc_string(text, 3)); /* the end counts */
    assert_null(alloc_string("", 0));
    char *empty = alloc_string("", 1);
    assert_string_equal(empty, "");
    free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_that_do_not_fit_are_refused),
        cmocka_unit_test(sums_that_do_not_fit_are_refused),
        cmocka_unit_test(an_array_is_zeroed_and_whole),
        cmocka_unit_test(an_array_over_its_limit_is_refused),
        cmocka_unit_test(an_array_whose_size_wraps_is_refused),
        cmocka_unit_test(an_array_beyond_the_machine_is_refused),
        cmocka_unit_test(an_empty_array_is_not_null),
        cmocka_unit_test(a_string_is_copied_up_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
