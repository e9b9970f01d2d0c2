#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "server/fetch/arrivals.h"

enum { ARRIVALS = 200000, START_US = 5000000 };

static const double rates[] = {0.5, 40, 250000};

/* What a Poisson process is known by: so many on average, gaps with a deviation as large as their
 * mean, and the share exp(-1) of them longer than it. The bounds are six standard errors. */
static void test_gaps(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        struct arrivals arrivals;
        arrivals_init(&arrivals, rates[r], START_US);
        double mean = 1e6 / rates[r], last = START_US, squares = 0;
        size_t longer = 0;
        for (size_t i = 0; i < ARRIVALS; i++) {
            double gap = arrivals.next_us - last;
            assert_true(gap >= 0);
            longer += gap > mean;
            squares += gap * gap;
            last = arrivals.next_us;
            arrivals_pass(&arrivals);
        }
        double error = 6 / sqrt(ARRIVALS);
        assert_true(fabs((last - START_US) / ARRIVALS / mean - 1) < error);
        assert_true(fabs(squares / ARRIVALS / (mean * mean) - 2) < sqrt(20) * error);
        assert_true(fabs((double)longer / ARRIVALS - exp(-1)) < error);
    }
}

static void test_due_rounds_down_and_stays(void **state)
{
    (void)state;
    struct arrivals arrivals;
    arrivals_init(&arrivals, 1000, START_US);
    uint64_t due_us = arrivals_due_us(&arrivals);
    assert_true(due_us >= START_US);
    assert_true((double)due_us <= arrivals.next_us && arrivals.next_us < (double)due_us + 1);
    assert_int_equal(arrivals_due_us(&arrivals), due_us);
    arrivals_pass(&arrivals);
    assert_true(arrivals_due_us(&arrivals) >= due_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_due_rounds_down_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
