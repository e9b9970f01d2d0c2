#include "model/kernels/burst.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/base/clock.h"

enum { TIME_US = 20000 };

static void test_every_arithmetic_has_a_rate(void **state)
{
    (void)state;
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++) {
        const struct burst *burst = burst_find((enum burst_arithmetic)i);
        if (!burst) {
            assert_int_equal(i, BURST_BF16); /* the one that not every CPU has */
            continue;
        }
        double rate = burst_measure(burst, TIME_US);
        assert_true(rate > 1e8 && rate < 1e14);
    }
}

/* Twice the rounds take longer: the compiler has not taken the loop away. */
static void test_the_loop_is_run(void **state)
{
    (void)state;
    struct burst_data data;
    burst_data_init(&data);
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++) {
        const struct burst *burst = burst_find((enum burst_arithmetic)i);
        uint64_t rounds = 1000000;
        if (!burst)
            continue;
        uint64_t start_us = clock_now_us();
        burst->run(&data, rounds);
        double seconds = (double)(clock_now_us() - start_us) / 1e6;
        /* No core has yet done 2^16 operations in each of 10^10 cycles a second. */
        assert_true((double)(rounds * burst->round_operations) < seconds * 6.6e14);
        assert_true(seconds > 1e-4);
    }
}

static void test_the_reader_has_a_rate(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    void *memory = aligned_alloc(64, size);
    assert_non_null(memory);
    memset(memory, 1, size);
    double rate = burst_measure_reader(burst_find_reader(), memory, size, TIME_US);
    assert_true(rate > 1e7 && rate < 1e13);
    free(memory);
}

static void test_the_operands_are_ordinary_numbers(void **state)
{
    (void)state;
    struct burst_data data;
    burst_data_init(&data);
    for (size_t i = 0; i < sizeof data.f32 / sizeof *data.f32; i++)
        assert_true(isnormal(data.f32[i]));
    for (size_t i = 0; i < sizeof data.bf16 / sizeof *data.bf16; i++)
        assert_in_range(data.bf16[i], 0x3f00, 0x3fff);
    for (size_t i = 0; i < sizeof data.int8; i++)
        assert_in_range(data.int8[i], 1, 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_arithmetic_has_a_rate),
        cmocka_unit_test(test_the_loop_is_run),
        cmocka_unit_test(test_the_reader_has_a_rate),
        cmocka_unit_test(test_the_operands_are_ordinary_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
