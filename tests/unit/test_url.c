#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "server/fetch/url.h"

static void a_url_is_normalised(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal, *host;
        uint16_t port;
        bool is_address;
    } cases[] = {
        {"HTTP://A.Example./b#c", "http://A.Example./b", "a.example", 80, false},
        {"https://a.example", "https://a.example/", "a.example", 443, false},
        {"https://a.example:80/?q=1", "https://a.example:80/?q=1", "a.example", 80, false},
        {"http://a.example/b c/\xc3\xa9%20", "http://a.example/b%20c/%c3%a9%20", "a.example", 80,
         false},
        {"http://a.example/../b/./c", "http://a.example/b/c", "a.example", 80, false},
        {"http://0x8.1/", "http://8.0.0.1/", "8.0.0.1", 80, true},
        {"http://[2606:4700:0:0::1]/", "http://[2606:4700::1]/", "2606:4700::1", 80, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        struct error error = {0};
        if (url_parse(cases[i].text, &url, &error) != STATUS_OK)
            fail_msg("%s: %s", cases[i].text, error.text);
        assert_string_equal(url.text, cases[i].normal);
        assert_string_equal(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.is_address, cases[i].is_address);
        url_fini(&url);
        assert_null(url.text);
        url_fini(&url);
    }
}

/* The examples of RFC 3986, 5.4, and what servers send besides. */
static void references_are_resolved(void **state)
{
    (void)state;
    static const struct {
        const char *base, *reference, *expected;
    } cases[] = {
        {"http://a/b/c/d;p?q", "g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "/g", "http://a/g"},
        {"http://a/b/c/d;p?q", "//g", "http://g/"},
        {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
        {"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y"},
        {"http://a/b/c/d;p?q", "../g", "http://a/b/g"},
        {"http://a/b/c/d;p?q", "../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "../../../g", "http://a/g"},
        {"https://a/b", "//10.0.0.1/c", "https://10.0.0.1/c"},
        {"https://a/b", "file:///etc/passwd", "file:///etc/passwd"},
        {"https://a/b", "http://c d/", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *resolved = url_resolve(cases[i].base, cases[i].reference);
        if (cases[i].expected) {
            assert_non_null(resolved);
            assert_string_equal(resolved, cases[i].expected);
        } else {
            assert_null(resolved);
        }
        free(resolved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_normalised),
        cmocka_unit_test(references_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
