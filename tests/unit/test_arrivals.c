#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "server/fetch/arrivals.h"

enum { ARRIVALS = 200000, START_US = 5000000 };

static const uint64_t durations_us[] = {500000, UINT64_C(5000000000), UINT64_C(400000000000)};

/* What a Poisson process is known by: gaps with a deviation as large as their mean, and the share
 * exp(-1) of them longer than it. The bounds are six standard errors. */
static void test_gaps(void **state)
{
    (void)state;
    for (size_t d = 0; d < sizeof durations_us / sizeof *durations_us; d++) {
        struct arrivals arrivals;
        arrivals_init(&arrivals, ARRIVALS, START_US, durations_us[d]);
        double mean = (double)durations_us[d] / ARRIVALS, last = START_US, squares = 0;
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
        assert_true(last <= START_US + (double)durations_us[d]);
        assert_true(last >= START_US + (double)durations_us[d] - 40 * mean);
        assert_true(fabs(squares / ARRIVALS / (mean * mean) - 2) < sqrt(20) * error);
        assert_true(fabs((double)longer / ARRIVALS - exp(-1)) < error);
        assert_true(arrivals_due_us(&arrivals) == UINT64_MAX);
    }
}

/* A few arrivals, too, are spread over the whole time: on average each at its share of it. */
static void test_few_keep_the_rate(void **state)
{
    (void)state;
    enum { COUNT = 5, TIMES = 20000, SECOND_US = 1000000 };
    struct arrivals arrivals;
    double sums[COUNT] = {0};
    uint64_t generator = 1;
    for (size_t t = 0; t < TIMES; t++) {
        arrivals = (struct arrivals){.left = COUNT + 1, .end_us = SECOND_US};
        arrivals.state = generator += UINT64_C(0x9e3779b97f4a7c15);
        arrivals_pass(&arrivals); /* draws the first of COUNT, from 0 on */
        for (size_t i = 0; i < COUNT; i++, arrivals_pass(&arrivals))
            sums[i] += arrivals.next_us / SECOND_US;
    }
    for (size_t i = 0; i < COUNT; i++) {
        double share = (double)(i + 1) / (COUNT + 1);
        double deviation = sqrt(share * (1 - share) / (COUNT + 2)); /* of a Beta(i + 1, n - i) */
        assert_true(fabs(sums[i] / TIMES - share) < 6 * deviation / sqrt(TIMES));
    }
}

static void test_due_rounds_down_and_stays(void **state)
{
    (void)state;
    struct arrivals arrivals;
    arrivals_init(&arrivals, 1000, START_US, 1000000);
    uint64_t due_us = arrivals_due_us(&arrivals);
    assert_true(due_us >= START_US);
    assert_true((double)due_us <= arrivals.next_us && arrivals.next_us < (double)due_us + 1);
    assert_int_equal(arrivals_due_us(&arrivals), due_us);
    arrivals_pass(&arrivals);
    assert_true(arrivals_due_us(&arrivals) >= due_us);
    arrivals_init(&arrivals, 0, START_US, 1000000);
    assert_true(arrivals_due_us(&arrivals) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_few_keep_the_rate),
        cmocka_unit_test(test_due_rounds_down_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
