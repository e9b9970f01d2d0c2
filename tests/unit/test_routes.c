#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/http/routes.h"

static const struct adapter_route first[] = {
    {.path = "/classify", .methods = "GET, POST, PUT"}, {.path = "/livez", .methods = "GET"}, {0}};
static const struct adapter_route second[] = {
    {.path = "/livez", .methods = "POST"}, {.path = "/infer", .methods = "POST"}, {0}};
static const struct adapter adapters[] = {{.routes = first}, {.routes = second}};

static void test_find(void **state)
{
    (void)state;
    struct routes_match match = routes_find(adapters, 2, "/classify");
    assert_ptr_equal(match.adapter, &adapters[0]);
    assert_ptr_equal(match.route, &first[0]);
    match = routes_find(adapters, 2, "/infer");
    assert_ptr_equal(match.adapter, &adapters[1]);
    assert_ptr_equal(match.route, &second[1]);
    assert_ptr_equal(routes_find(adapters, 2, "/livez").route, &first[1]);
    assert_null(routes_find(adapters, 1, "/infer").route);
    static const char *const unknown[] = {"", "/", "/class", "/classify/", "/Classify", "*"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        match = routes_find(adapters, 2, unknown[i]);
        assert_ptr_equal(match.adapter, &adapters[0]);
        assert_null(match.route);
    }
}

static void test_takes(void **state)
{
    (void)state;
    assert_true(routes_takes(&first[0], "GET"));
    assert_true(routes_takes(&first[0], "HEAD"));
    assert_true(routes_takes(&first[0], "POST"));
    assert_true(routes_takes(&first[0], "PUT"));
    assert_false(routes_takes(&second[1], "GET"));
    assert_false(routes_takes(&second[1], "HEAD"));
    static const char *const other[] = {"", "P", "PU", "UT", "get", "GETS", "DELETE", "GET, POST"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_false(routes_takes(&first[0], other[i]));
}

static void test_allow(void **state)
{
    (void)state;
    char text[64];
    routes_format_allow(&first[0], sizeof text, text);
    assert_string_equal(text, "GET, POST, PUT, HEAD, OPTIONS");
    routes_format_allow(&first[1], sizeof text, text);
    assert_string_equal(text, "GET, HEAD, OPTIONS");
    routes_format_allow(&second[1], sizeof text, text);
    assert_string_equal(text, "POST, OPTIONS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_takes),
        cmocka_unit_test(test_allow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
