/* What is drawn goes to standard error, a file here that is told to be a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/commands/progress.h"

static void expect_bytes(uint64_t bytes, const char *expected)
{
    char text[32];
    progress_format_bytes(bytes, text, sizeof text);
    assert_string_equal(text, expected);
}

static void bytes_have_a_unit_and_three_digits(void **state)
{
    (void)state;
    expect_bytes(0, "0 B");
    expect_bytes(1023, "1023 B");
    expect_bytes(1024, "1.0 KiB");
    expect_bytes(1536, "1.5 KiB");
    expect_bytes(102400, "100 KiB");
    expect_bytes(1023999, "1000 KiB");   /* 999.999 */
    expect_bytes(1024000, "1.0 MiB");    /* 1000 KiB are 0.98 MiB */
    expect_bytes(102502400, "97.8 MiB"); /* 97.754 */
    expect_bytes((uint64_t)3 << 30, "3.0 GiB");
    expect_bytes((uint64_t)5 << 40, "5.0 TiB");
    expect_bytes((uint64_t)2000 << 40, "2000 TiB"); /* the last unit */
}

static FILE *drawn;
static int standard_error;

/* Standard error becomes a file; cmocka tells of a failure after the teardown. */
static int setup(void **state)
{
    (void)state;
    drawn = tmpfile();
    standard_error = dup(STDERR_FILENO);
    return !drawn || standard_error < 0 || dup2(fileno(drawn), STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
    (void)state;
    bool is_back = dup2(standard_error, STDERR_FILENO) >= 0;
    (void)close(standard_error);
    return fclose(drawn) != 0 || !is_back;
}

/* What was drawn since the last call. */
static const char *take_drawn(void)
{
    static char text[512];
    (void)fflush(stderr);
    ssize_t length = pread(fileno(drawn), text, sizeof text - 1, 0);
    assert_true(length >= 0);
    text[length] = 0;
    assert_int_equal(ftruncate(fileno(drawn), 0), 0);
    assert_int_equal(lseek(fileno(drawn), 0, SEEK_SET), 0);
    return text;
}

static void expect_drawn(const char *expected)
{
    assert_string_equal(take_drawn(), expected);
}

/* As on a terminal of `columns`. */
static struct progress begun(enum progress_unit unit, unsigned columns)
{
    return (struct progress){.terminal = {.has_redraw = true, .columns = columns},
                             .label = "images",
                             .unit = unit,
                             .start_us = clock_now_us()};
}

static void nothing_is_drawn_on_a_file(void **state)
{
    (void)state;
    struct progress progress;
    progress_init(&progress, "images", PROGRESS_IMAGES, 3, 10);
    assert_string_equal(progress.label, "images");
    assert_int_equal(progress.first, 3);
    assert_int_equal(progress.total, 10);
    assert_false(progress.terminal.is_terminal);
    progress_update(&progress, 5, 10);
    progress_update(&progress, 12, 12);
    assert_int_equal(progress.total, 12);
    progress_fini(&progress);
    expect_drawn("");
}

/* Nothing is done but what was there at first: no rate, so the line is the same in any time. */
static void bar_fills_what_the_text_leaves(void **state)
{
    (void)state;
    /* 6 of the label, 5 of the numbers and 6 between leave 20 of 37 columns, a quarter is 5. */
    struct progress progress = begun(PROGRESS_IMAGES, 37);
    progress.first = 10;
    progress_update(&progress, 10, 40);
    expect_drawn("\rimages [#####               ] 10/40\033[K");
    progress_fini(&progress);
    expect_drawn("\r\033[K");
    progress_fini(&progress);
    expect_drawn("");

    /* 40 columns are enough. */
    progress = begun(PROGRESS_IMAGES, 200);
    progress.first = 20;
    progress_update(&progress, 20, 40);
    expect_drawn("\rimages [####################                    ] 20/40\033[K");

    /* Five are the least, four are none. */
    progress = begun(PROGRESS_IMAGES, 22);
    progress.first = 40;
    progress_update(&progress, 40, 40);
    expect_drawn("\rimages [#####] 40/40\033[K");
    progress = begun(PROGRESS_IMAGES, 21);
    progress.first = 40;
    progress_update(&progress, 40, 40);
    expect_drawn("\rimages 40/40\033[K");
}

static void unknown_total_has_no_bar(void **state)
{
    (void)state;
    struct progress progress = begun(PROGRESS_BYTES, 80);
    progress.first = 1536;
    progress_update(&progress, 1536, 0);
    expect_drawn("\rimages 1.5 KiB\033[K");
}

/* The last drawing is told to have been just now, or a tenth of a second ago. */
static void line_is_not_drawn_too_often(void **state)
{
    (void)state;
    struct progress progress = begun(PROGRESS_IMAGES, 10);
    progress.first = 4;
    progress_update(&progress, 1, 4);
    expect_drawn("\rimages 1/4\033[K");
    /* Again where we were held up for so long that drawing was right. */
    const char *text;
    bool is_soon;
    do {
        uint64_t before_us = clock_now_us() - 50000;
        progress.drawn_us = before_us;
        progress_update(&progress, 2, 4);
        text = take_drawn();
        is_soon = clock_now_us() - before_us < 100000;
    } while (!is_soon);
    assert_string_equal(text, "");
    progress_update(&progress, 4, 4);
    expect_drawn("\rimages 4/4\033[K");
    progress.drawn_us = clock_now_us() - 100000;
    progress_update(&progress, 2, 4);
    expect_drawn("\rimages 2/4\033[K");
}

/* Begun a million seconds ago: what the test itself takes does not show in the digits. */
static void rate_and_time_are_of_our_own_work(void **state)
{
    (void)state;
    const uint64_t start_us = clock_now_us() - 1000000000000;
    struct progress progress = begun(PROGRESS_IMAGES, 10);
    progress.start_us = start_us;
    progress.first = 5000000; /* count for no rate */
    progress_update(&progress, 15000000, 0);
    expect_drawn("\rimages 15000000  10.0 images/s\033[K");

    progress = begun(PROGRESS_IMAGES, 10);
    progress.start_us = start_us;
    progress_update(&progress, 10000000, 10000646); /* 64.6 s */
    expect_drawn("\rimages 10000000/10000646  10.0 images/s  1:05 left\033[K");

    progress = begun(PROGRESS_IMAGES, 10);
    progress.start_us = start_us;
    progress_update(&progress, 10000000, 10073446); /* 7344.6 s */
    expect_drawn("\rimages 10000000/10073446  10.0 images/s  2:02:25 left\033[K");

    /* 1.5 MiB in a second make 1.43 TiB. */
    progress = begun(PROGRESS_BYTES, 10);
    progress.start_us = start_us;
    progress_update(&progress, (uint64_t)1572864 * 1000000, 0);
    expect_drawn("\rimages 1.4 TiB  1.5 MiB/s\033[K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_a_unit_and_three_digits),
        cmocka_unit_test_setup_teardown(nothing_is_drawn_on_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(bar_fills_what_the_text_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_total_has_no_bar, setup, teardown),
        cmocka_unit_test_setup_teardown(line_is_not_drawn_too_often, setup, teardown),
        cmocka_unit_test_setup_teardown(rate_and_time_are_of_our_own_work, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
