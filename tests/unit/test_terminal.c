/* Bars and text of unknown origin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/utf8.h"
#include "server/commands/terminal.h"

static void expect_bar(bool has_utf8, double fraction, unsigned columns, const char *expected)
{
    struct terminal terminal = {.has_utf8 = has_utf8};
    char bar[64];
    terminal_bar(&terminal, fraction, columns, bar);
    assert_string_equal(bar, expected);
}

static void test_bars(void **state)
{
    (void)state;
    expect_bar(true, 0, 4, "    ");
    expect_bar(true, 1, 4, "████");
    expect_bar(true, 0.5, 4, "██  ");
    expect_bar(true, 0.59375, 4, "██▍ ");
    expect_bar(true, 1.0 / 32, 4, "▏   ");
    expect_bar(true, 31.0 / 32, 4, "███▉");
    expect_bar(true, 7, 2, "██");
    expect_bar(true, -1, 2, "  ");
    expect_bar(true, NAN, 2, "  ");
    expect_bar(false, 0.5, 4, "##  ");
    expect_bar(false, 0.63, 4, "### ");
}

static void expect_clean(const char *text, size_t size, const char *expected)
{
    char shown[64];
    memset(shown, 'Z', sizeof shown);
    terminal_clean(text, shown, size);
    assert_string_equal(shown, expected);
    assert_int_equal(shown[size], 'Z');
}

static void test_clean(void **state)
{
    (void)state;
    expect_clean("dög.jpg", 32, "dög.jpg");
    expect_clean("a\033[2Jb\n\x7F", 32, "a?[2Jb??");
    expect_clean("\xC2\x9B"
                 "2J",
                 32, "?2J"); /* the one-character form of ESC [ */
    expect_clean("\xFF\xC3(\xE2\x82", 32,
                 "?"
                 "?(?"
                 "?");
    expect_clean("\xC0\xAF\xED\xA0\x80", 32, "?????"); /* overlong; a surrogate */
    expect_clean("aöb", 3, "a");                       /* the character does not fit */
    expect_clean("aöb", 4, "aö");
    expect_clean("x", 1, "");
}

static void test_repair(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"dög 犬 🐕", "dög 犬 🐕"},
        {"a\xFFz", "a\xEF\xBF\xBDz"},
        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* U+110000 */
        {"\xE7\x8A", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *repaired = utf8_repair(pairs[i][0]);
        assert_non_null(repaired);
        assert_string_equal(repaired, pairs[i][1]);
        free(repaired);
    }
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(terminal_width(""), 0);
    assert_int_equal(terminal_width("dög"), 3);
    assert_int_equal(terminal_width("██▍"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
