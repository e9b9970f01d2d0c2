#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "model/base/utf8.h"

/* The first and the last character of each length, and the neighbours of the surrogates. */
static void characters_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        uint32_t character;
    } cases[] = {
        {"\x01", 1, 0x01},
        {"A\x80", 1, 'A'},
        {"\x7F", 1, 0x7F},
        {"\xC2\x80", 2, 0x80},
        {"\xC3\x9F", 2, 0xDF},
        {"\xDF\xBF", 2, 0x7FF},
        {"\xE0\xA0\x80", 3, 0x800},
        {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xED\x9F\xBF", 3, 0xD7FF},
        {"\xEE\x80\x80", 3, 0xE000},
        {"\xEF\xBF\xBF", 3, 0xFFFF},
        {"\xF0\x90\x80\x80", 4, 0x10000},
        {"\xF0\x9F\x90\x95", 4, 0x1F415},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t character = 0;
        assert_int_equal(utf8_read(cases[i].text, &character), cases[i].length);
        assert_int_equal(character, cases[i].character);
    }
}

static void malformed_bytes_are_none(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "\x80",
        "\xBF", /* a continuation in front */
        "\xC0\xAF",
        "\xC1\xBF", /* overlong, of two */
        "\xE0\x80\xAF",
        "\xE0\x9F\xBF", /* of three */
        "\xF0\x80\x80\xAF",
        "\xF0\x8F\xBF\xBF", /* of four */
        "\xED\xA0\x80",
        "\xED\xBF\xBF", /* surrogates */
        "\xF4\x90\x80\x80",
        "\xF7\xBF\xBF\xBF", /* above U+10FFFF */
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF", /* no such length */
        "\xC3",
        "\xE2\x82",
        "\xF0\x9F\x90", /* cut by the end */
        "\xC3"
        "A",
        "\xE2\x82"
        "A",
        "\xE2"
        "A\x82",
        "\xF0\x9F\x90"
        "A", /* cut by another */
        "\xC3\xC3",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        uint32_t character = 12345;
        assert_int_equal(utf8_read(malformed[i], &character), 0);
        assert_int_equal(character, 12345);
        assert_false(utf8_is_printable_text(malformed[i]));
    }
}

static void control_characters_are_not_printable(void **state)
{
    (void)state;
    static const uint32_t hidden[] = {0, '\n', 0x1B, 0x1F, 0x7F, 0x80, 0x9B, 0x9F};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        assert_false(utf8_is_printable(hidden[i]));
    static const uint32_t shown[] = {' ', '~', 0xA0, 0xE9, 0x20AC, 0x1F415};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        assert_true(utf8_is_printable(shown[i]));
}

static void text_is_printable_to_its_end(void **state)
{
    (void)state;
    assert_true(utf8_is_printable_text(""));
    assert_true(utf8_is_printable_text("gro\xC3\x9F \xE2\x82\xAC \xF0\x9F\x90\x95"));
    assert_false(utf8_is_printable_text("dog\n"));
    assert_false(utf8_is_printable_text("\x1b[31mred"));
    /* U+009B, what ESC [ is in one character. */
    assert_false(utf8_is_printable_text("dog \xC2\x9B"
                                        "31m"));
    assert_false(utf8_is_printable_text("dog\x7F"));
    assert_false(utf8_is_printable_text("dog \xC3"));
}

#define MARK "\xEF\xBF\xBD"

static void each_stray_byte_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"dog.jpg", "dog.jpg"},
        {"gro\xC3\x9F\xF0\x9F\x90\x95", "gro\xC3\x9F\xF0\x9F\x90\x95"},
        {"\xFF", MARK},
        {"a\xE4.jpg", "a" MARK ".jpg"},
        {"cut \xE2\x82", "cut " MARK MARK},
        {"\xE2\x82\xC3\x9F", MARK MARK "\xC3\x9F"},
        {"\xED\xA0\x80", MARK MARK MARK},
        /* Not for us to judge: it is well-formed. */
        {"\x1b[31m", "\x1b[31m"},
        {"\x80\x80\x80\x80\x80\x80", MARK MARK MARK MARK MARK MARK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *repaired = utf8_repair(cases[i].text);
        assert_non_null(repaired);
        assert_string_equal(repaired, cases[i].expected);
        free(repaired);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_read),
        cmocka_unit_test(malformed_bytes_are_none),
        cmocka_unit_test(control_characters_are_not_printable),
        cmocka_unit_test(text_is_printable_to_its_end),
        cmocka_unit_test(each_stray_byte_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
