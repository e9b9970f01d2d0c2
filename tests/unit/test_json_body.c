#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/json_body.h"

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* "where=url;" or "where:base64;" an image, "*" before them where it is a list. */
static void expect(const char *text, const char *expected)
{
    char seen[512] = "";
    struct json_body body;
    struct problem problem = {0};
    if (!json_body_init(span_of(text), 3, &body, &problem))
        fail_msg("%s", problem.detail);
    size_t length = (size_t)snprintf(seen, sizeof seen, "%s", body.is_list ? "*" : "");
    for (size_t i = 0; i < body.count; i++) {
        const struct json_body_image *image = &body.images[i];
        length += (size_t)snprintf(seen + length, sizeof seen - length, "%s%s%.*s;", image->where,
                                   image->url ? "=" : ":",
                                   (int)(image->url ? strlen(image->url) : image->base64.size),
                                   image->url ? image->url : (const char *)image->base64.data);
    }
    json_body_fini(&body);
    assert_string_equal(seen, expected);
}

static void expect_problem(const char *text, enum problem_code code, const char *detail)
{
    struct json_body body;
    struct problem problem = {0};
    assert_false(json_body_init(span_of(text), 3, &body, &problem));
    assert_string_equal(problem.detail, detail);
    assert_int_equal(problem.code, code);
}

static void images_in_their_order(void **state)
{
    (void)state;
    expect("{}", "");
    expect("{\"url\": \"http://a\"}", "url=http://a;");
    expect("\xEF\xBB\xBF {\"image\": \"Z\\/\"}\r\n", "image:Z/;");
    expect("{\"urls\": [\"a\"], \"top_k\": 1}", "*urls[0]=a;");
    expect("{\"images\": [\"Z\", \"Y\"], \"url\": \"a\"}", "*images[0]:Z;images[1]:Y;url=a;");
}

static void a_long_image_is_not_copied(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    static char text[SIZE];
    memset(text, 'A', SIZE);
    memcpy(text, "{\"images\": [\"", 13);
    memcpy(text + 20000, "\\/", 2);
    memcpy(text + SIZE - 30, "\", \"AAAA\"], \"top_k\": 2}", 24);
    struct json_body body;
    struct problem problem = {0};
    assert_true(json_body_init(span_of(text), 3, &body, &problem));
    assert_int_equal(body.count, 2);
    assert_ptr_equal(body.images[0].base64.data, text + 13);
    assert_int_equal(body.images[0].base64.size, SIZE - 30 - 13);
    assert_true(body.images[0].has_escapes);
    assert_false(body.images[1].has_escapes);
    assert_int_equal(body.images[1].base64.size, 4);
    assert_int_equal(body.parameters.top_k, 2);
    json_body_fini(&body);
    /* A string of that size is nothing else. */
    memcpy(text, "{\"url\": \"AAAA", 13);
    memcpy(text + SIZE - 30, "\"}", 3);
    assert_false(json_body_init(span_of(text), 3, &body, &problem));
    assert_string_equal(problem.detail, "url must be a URL; this is far too long to be one");
}

static void parameters(void **state)
{
    (void)state;
    struct json_body body;
    struct problem problem = {0};
    assert_true(
        json_body_init(span_of("{\"top_k\": 3, \"min_probability\": 0.25, \"model\": \"demo\"}"), 3,
                       &body, &problem));
    assert_int_equal(body.parameters.top_k, 3);
    assert_true(body.parameters.min_probability == 0.25F);
    assert_string_equal(body.parameters.model, "demo");
    json_body_fini(&body);
    assert_true(json_body_init(span_of("{\"min_probability\": 1}"), 3, &body, &problem));
    assert_true(body.parameters.min_probability == 1);
    json_body_fini(&body);
}

static void wrong_types(void **state)
{
    (void)state;
    const enum problem_code bad = PROBLEM_BAD_REQUEST;
    expect_problem("[]", bad, "the JSON must be an object: {\"url\": ...} or {\"image\": ...}");
    expect_problem("{\"url\": 1}", bad, "url must be a string");
    expect_problem("{\"url\": [\"a\"]}", bad, "url must be a string");
    expect_problem("{\"urls\": \"a\"}", bad, "urls must be a list of at least one string");
    expect_problem("{\"images\": []}", bad, "images must be a list of at least one string");
    expect_problem("{\"urls\": [\"a\", null]}", bad, "urls[1] must be a string");
    expect_problem("{\"image\": {}}", bad, "image must be a string: the image file in base64");
    expect_problem("{\"images\": [[]]}", bad,
                   "images[0] must be a string: the image file in base64");
    expect_problem("{\"top_k\": \"3\"}", bad, "top_k must be a whole number");
    expect_problem("{\"top_k\": 3.0}", bad, "top_k must be a whole number");
    expect_problem("{\"min_probability\": true}", bad, "min_probability must be a number");
    expect_problem("{\"model\": null}", bad, "model must be a string");
    expect_problem("{\"model\": \"\"}", bad, "model must be a name of 1 to 128 bytes");
}

static void what_is_refused(void **state)
{
    (void)state;
    const enum problem_code bad = PROBLEM_BAD_REQUEST;
    expect_problem("{\"uri\": \"a\"}", bad, "no field \"uri\"; did you mean url?");
    expect_problem("{\"imagess\": []}", bad, "no field \"imagess\"; did you mean images?");
    expect_problem("{\"url\": \"a\", \"url\": \"b\"}", bad,
                   "the body is not JSON: line 1 column 18: duplicate object key near '\"url\"'");
    expect_problem("{\"url\": \"a\"} x", bad,
                   "the body is not JSON: line 1 column 14: end of file expected near 'x'");
    expect_problem("{\"url\": \"a\\u0000b\"}", bad,
                   "the body is not JSON: line 1 column 18: \\u0000 is not allowed without "
                   "JSON_ALLOW_NUL near '\"a\\u0000b\"'");
    expect_problem("{\"urls\": [\"a\", \"b\", \"c\", \"d\"]}", PROBLEM_TOO_MANY_IMAGES,
                   "more than the 3 images that one request may carry");
    expect_problem("{\"a\": [[[[]]]]}", bad, "the JSON is nested too deeply");
}

static void sniffed(void **state)
{
    (void)state;
    assert_true(json_body_sniff(span_of("{")));
    assert_true(json_body_sniff(span_of("\xEF\xBB\xBF\r\n\t {\"")));
    assert_false(json_body_sniff(span_of("")));
    assert_false(json_body_sniff(span_of("  ")));
    assert_false(json_body_sniff(span_of("a={")));
    assert_false(json_body_sniff(span_of("[{")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_in_their_order),
        cmocka_unit_test(a_long_image_is_not_copied),
        cmocka_unit_test(parameters),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(sniffed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
