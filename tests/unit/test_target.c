#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/target.h"

/* The path and "name=value" of each parameter with "|" between them. */
static void describe(const char *text, size_t size, char *ret_text)
{
    struct target target;
    struct error error = {0};
    assert_int_equal(target_parse(text, &target, &error), STATUS_OK);
    int length = snprintf(ret_text, size, "%s", target.path);
    for (size_t i = 0; i < target.parameter_count; i++)
        length += snprintf(ret_text + length, size - (size_t)length, "|%s=%s",
                           target.parameters[i].name, target.parameters[i].value);
    target_fini(&target);
}

static void test_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *parts;
    } cases[] = {
        {"/", "/"},
        {"/classify", "/classify"},
        {"/classify?", "/classify"},
        {"/classify?a=1", "/classify|a=1"},
        {"/classify?a=1&b=2&a=3", "/classify|a=1|b=2|a=3"},
        {"/classify?a", "/classify|a="},
        {"/classify?a=", "/classify|a="},
        {"/classify?=x", "/classify|=x"},
        {"/classify?&&a=1&", "/classify|a=1"},
        {"/classify?a=b=c", "/classify|a=b=c"},
        {"/classify?url=http://h/?x=1", "/classify|url=http://h/?x=1"},
        {"/a%20b+c?d%3De=f%26g+h", "/a b+c|d=e=f&g h"},
        {"/%e2%82%ac?%E2%82%AC=%F0%9F%90%95", "/\u20ac|\u20ac=\U0001F415"},
        {"http://host:80/x?y=z", "/x|y=z"},
        {"HTTPS://host/x", "/x"},
        {"http://host", "/"},
        {"http://host?y=z", "/|y=z"},
        {"*", "*"},
        {"", "/"},
        {"host:443", "host:443"},
        {"/x?a;b=c", "/x|a;b=c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char parts[256];
        describe(cases[i].text, sizeof parts, parts);
        assert_string_equal(parts, cases[i].parts);
    }
}

static void test_broken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"/%", "no two hexadecimal digits"},
        {"/%4", "no two hexadecimal digits"},
        {"/%4g", "no two hexadecimal digits"},
        {"/x?a=%g0", "no two hexadecimal digits"},
        {"/x?%%31=1", "no two hexadecimal"},
        {"/%00", "NUL"},
        {"/x?a%00=1", "NUL"},
        {"/x?a=%00", "NUL"},
        {"/%80", "not UTF-8"},
        {"/x?%c3=1", "not UTF-8"},
        {"/x?a=%C3&b=%A9", "not UTF-8"},
        {"/x?a=%ed%a0%80", "not UTF-8"},
        {"/x?a=%f4%90%80%80", "not UTF-8"},
        {"/x?a=\xff", "not UTF-8"},
        {"/x?a=%c0%af", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target target;
        struct error error = {0};
        assert_int_equal(target_parse(cases[i].text, &target, &error), STATUS_BAD_REQUEST);
        assert_non_null(strstr(error.text, cases[i].reason));
    }
}

static void test_number_of_parameters(void **state)
{
    (void)state;
    char text[2 * TARGET_MAX_PARAMETERS + 8] = "/x?a";
    size_t length = strlen(text);
    for (int i = 1; i < TARGET_MAX_PARAMETERS; i++) {
        memcpy(text + length, "&a", 3);
        length += 2;
    }
    struct target target;
    struct error error = {0};
    assert_int_equal(target_parse(text, &target, &error), STATUS_OK);
    assert_int_equal(target.parameter_count, TARGET_MAX_PARAMETERS);
    target_fini(&target);
    memcpy(text + length, "&a", 3);
    assert_int_equal(target_parse(text, &target, &error), STATUS_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_number_of_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
