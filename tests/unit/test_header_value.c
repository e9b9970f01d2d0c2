#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/api/header_value.h"

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* "first|name=value|name=value", with "!" at the end where it is malformed. */
static void expect(const char *value, const char *expected)
{
    char seen[256];
    struct span rest, first = header_value_first(span_of(value), &rest);
    struct header_parameter parameter;
    enum header_value_step step;
    int length = snprintf(seen, sizeof seen, "%.*s", (int)first.size, (const char *)first.data);
    while ((step = header_value_next(&rest, &parameter)) == HEADER_VALUE_FOUND) {
        char text[64];
        assert_true(header_value_text(&parameter, text, sizeof text));
        length += snprintf(seen + length, sizeof seen - (size_t)length, "|%.*s=%s",
                           (int)parameter.name.size, (const char *)parameter.name.data, text);
    }
    if (step == HEADER_VALUE_MALFORMED)
        (void)snprintf(seen + length, sizeof seen - (size_t)length, "!");
    assert_string_equal(seen, expected);
}

static void values_and_their_parameters(void **state)
{
    (void)state;
    expect("", "");
    expect("application/json", "application/json");
    expect(" text/html ; charset=utf-8 ", "text/html|charset=utf-8");
    expect("a;b=c;;d=e;", "a|b=c|d=e");
    expect("a; b = c ; d=\"e;f\"", "a|b=c|d=e;f");
    expect("a;b=\"\"", "a|b=");
    expect("a;b=", "a|b=");
    expect("form-data; name=\"x\"; filename=\"d\\\"o\\\\g C:\\dir\\f.jpg\"",
           "form-data|name=x|filename=d\"o\\g C:\\dir\\f.jpg");
}

static void what_is_malformed_stops_there(void **state)
{
    (void)state;
    expect("a;b", "a!");
    expect("a;=b", "a!");
    expect("a;x=y;b=\"c", "a|x=y!");
    expect("a;b=\"c\\\"", "a!");
    expect("a;b=\"c\"d", "a!");
}

static void words_are_compared_without_case(void **state)
{
    (void)state;
    assert_true(header_value_is(span_of("Form-DATA"), "form-data"));
    assert_false(header_value_is(span_of("form-dat"), "form-data"));
    assert_false(header_value_is(span_of("form-data "), "form-data"));
}

static void text_has_to_fit_and_be_text(void **state)
{
    (void)state;
    char text[4];
    struct header_parameter parameter = {.value = span_of("abc")};
    assert_true(header_value_text(&parameter, text, 4));
    assert_string_equal(text, "abc");
    assert_false(header_value_text(&parameter, text, 3));
    parameter.value = (struct span){(const uint8_t *)"a\0b", 3};
    assert_false(header_value_text(&parameter, text, 4));
    parameter = (struct header_parameter){.value = span_of("\\\"\\\\\\\""), .is_quoted = true};
    assert_true(header_value_text(&parameter, text, 4));
    assert_string_equal(text, "\"\\\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_their_parameters),
        cmocka_unit_test(what_is_malformed_stops_there),
        cmocka_unit_test(words_are_compared_without_case),
        cmocka_unit_test(text_has_to_fit_and_be_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
