#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/budget.h"

static void charges_up_to_the_limit(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = 100};
    assert_true(budget_charge(&budget, 60));
    assert_false(budget_charge(&budget, 41));
    assert_true(budget_charge(&budget, 40));
    assert_int_equal(budget_used(&budget), 100);
    budget_release(&budget, 60);
    assert_int_equal(budget_used(&budget), 40);
    assert_true(budget_charge(&budget, 60));
}

static void a_sum_that_overflows_is_over_the_limit(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = SIZE_MAX};
    assert_true(budget_charge(&budget, 2));
    assert_false(budget_charge(&budget, SIZE_MAX - 1));
    assert_int_equal(budget_used(&budget), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charges_up_to_the_limit),
        cmocka_unit_test(a_sum_that_overflows_is_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
