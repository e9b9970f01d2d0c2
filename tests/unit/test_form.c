#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/api/form.h"

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void expect(const char *text, const char *expected)
{
    char seen[256] = "";
    size_t length = 0;
    struct form form;
    struct error error = {0};
    if (form_init(span_of(text), 8, &form, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < form.count; i++)
        length += (size_t)snprintf(seen + length, sizeof seen - length, "[%s][%s]",
                                   form.fields[i].name, form.fields[i].value);
    form_fini(&form);
    assert_string_equal(seen, expected);
}

static void expect_failure(const char *text, enum status status, const char *expected)
{
    struct form form;
    struct error error = {0};
    assert_int_equal(form_init(span_of(text), 8, &form, &error), status);
    assert_string_equal(error.text, expected);
}

static void fields(void **state)
{
    (void)state;
    expect("", "");
    expect("a=b", "[a][b]");
    expect("a=b&c=&=d&e", "[a][b][c][][][d][e][]");
    expect("&&a=b=c&", "[a][b=c]");
    expect("a+b=c+d%2B%20%c3%BC", "[a b][c d+ \xC3\xBC]");
    expect("url=https%3A%2F%2Fa.b%2F%3Fc%3Dd%26e&url=https://f/?g", "[url][https://a.b/?c=d&e]"
                                                                    "[url][https://f/?g]");
}

static void refused(void **state)
{
    (void)state;
    const char percent[] = "not a form: a \"%\" is not followed by two hexadecimal digits";
    expect_failure("a=%", STATUS_BAD_REQUEST, percent);
    expect_failure("a=%4", STATUS_BAD_REQUEST, percent);
    expect_failure("a=%4&b", STATUS_BAD_REQUEST, percent);
    expect_failure("a=%g0", STATUS_BAD_REQUEST, percent);
    expect_failure("%-1", STATUS_BAD_REQUEST, percent);
    expect_failure("a=%00", STATUS_BAD_REQUEST, "not a form: it holds the control character 0x00");
    expect_failure("a=b\r\n", STATUS_BAD_REQUEST,
                   "not a form: it holds the control character 0x0d");
    expect_failure("1&2&3&4&5&6&7&8&9", STATUS_TOO_LARGE, "the form has 9 fields; 8 are taken");
    static uint8_t large[FORM_MAX_BYTES + 1];
    struct form form;
    struct error error = {0};
    memset(large, 'a', sizeof large);
    assert_int_equal(form_init((struct span){large, sizeof large}, 8, &form, &error),
                     STATUS_TOO_LARGE);
    assert_int_equal(form_init((struct span){large, FORM_MAX_BYTES}, 8, &form, NULL), STATUS_OK);
    assert_int_equal(strlen(form.fields[0].name), FORM_MAX_BYTES);
    form_fini(&form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
