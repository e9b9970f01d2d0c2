#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "model/net/topk.h"

static void largest_first_ties_by_class(void **state)
{
    (void)state;
    const float logits[] = {1.0f, 3.0f, 3.0f, -2.0f, 2.0f};
    struct topk_entry entries[5];
    assert_int_equal(topk_select(logits, 5, 4, entries), 4);
    const uint32_t expected[] = {1, 2, 4, 0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(entries[i].class_id, expected[i]);
}

/* softmax of {0, ln 2, ln 5} is {1, 2, 5} / 8. */
static void probabilities_are_softmax(void **state)
{
    (void)state;
    const float logits[] = {0.0f, logf(2.0f), logf(5.0f)};
    struct topk_entry entries[3];
    assert_int_equal(topk_select(logits, 3, 3, entries), 3);
    assert_float_equal(entries[0].probability, 0.625, 1e-6);
    assert_float_equal(entries[1].probability, 0.25, 1e-6);
    assert_float_equal(entries[2].probability, 0.125, 1e-6);
}

static void large_logits_do_not_overflow(void **state)
{
    (void)state;
    const float logits[] = {1e30f, -1e30f, 0.0f};
    struct topk_entry entries[1];
    assert_int_equal(topk_select(logits, 3, 1, entries), 1);
    assert_int_equal(entries[0].class_id, 0);
    assert_float_equal(entries[0].probability, 1.0, 0);
}

static void k_is_cut_to_the_classes(void **state)
{
    (void)state;
    const float logits[] = {1.0f, 2.0f};
    struct topk_entry entries[5];
    assert_int_equal(topk_select(logits, 2, 5, entries), 2);
    assert_int_equal(topk_select(logits, 2, 0, entries), 0);
}

static void nan_is_never_an_answer_beside_a_number(void **state)
{
    (void)state;
    const float logits[] = {NAN, -5.0f, NAN};
    struct topk_entry entries[1];
    assert_int_equal(topk_select(logits, 3, 1, entries), 1);
    assert_int_equal(entries[0].class_id, 1);
    assert_float_equal(entries[0].probability, 1.0, 0);
}

static void numbers_that_overflow_are_no_answer(void **state)
{
    (void)state;
    const float infinite[] = {0.0f, INFINITY, 1.0f}, nans[] = {NAN, NAN, NAN},
                least[] = {-INFINITY, 2.0f, NAN};
    struct topk_entry entries[3];
    assert_int_equal(topk_select(infinite, 3, 3, entries), 0);
    assert_int_equal(topk_select(nans, 3, 3, entries), 0);
    assert_int_equal(topk_select(least, 3, 1, entries), 1);
    assert_int_equal(entries[0].class_id, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_first_ties_by_class),
        cmocka_unit_test(probabilities_are_softmax),
        cmocka_unit_test(large_logits_do_not_overflow),
        cmocka_unit_test(k_is_cut_to_the_classes),
        cmocka_unit_test(nan_is_never_an_answer_beside_a_number),
        cmocka_unit_test(numbers_that_overflow_are_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
