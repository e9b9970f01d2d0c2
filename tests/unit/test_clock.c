#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "model/base/clock.h"

static double monotonic_us(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void it_is_the_systems_monotonic_clock_in_microseconds(void **state)
{
    (void)state;
    double before = monotonic_us();
    uint64_t now = clock_now_us();
    double after = monotonic_us();
    assert_true((double)now >= before - 1); /* a whole microsecond, cut off */
    assert_true((double)now <= after);
}

static void it_never_goes_back(void **state)
{
    (void)state;
    uint64_t first = clock_now_us(), last = first;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = clock_now_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_systems_monotonic_clock_in_microseconds),
        cmocka_unit_test(it_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
