#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/json_skeleton.h"

enum { LONG = JSON_SKELETON_LONG_BYTES };

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* `format` with one %s, in which stands a string of `size` "x". Returns owned. */
static char *with_long(const char *format, size_t size)
{
    char *text = NULL, *filler = malloc(size + 1);
    assert_non_null(filler);
    memset(filler, 'x', size);
    filler[size] = '\0';
    assert_true(asprintf(&text, "%.*s%s%s", (int)(strstr(format, "%s") - format), format, filler,
                         strstr(format, "%s") + 2) > 0);
    free(filler);
    return text;
}

static void short_strings_stay(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "\"",
        "\"\\\"",
        "{\"a\": [\"b\\\\\", \"\\\"c]]]]]\", 1, null]}",
        "]]]}}",
        "not json at all",
        "\"\\\\\\\"\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json_skeleton skeleton;
        struct error error = {0};
        if (json_skeleton_init(span_of(texts[i]), 100, 100, &skeleton, &error))
            fail_msg("%s: %s", texts[i], error.text);
        assert_int_equal(skeleton.size, strlen(texts[i]));
        assert_memory_equal(skeleton.text, texts[i], skeleton.size);
        assert_int_equal(skeleton.string_count, 0);
        json_skeleton_fini(&skeleton);
    }
}

static void long_strings_are_cut_out(void **state)
{
    (void)state;
    struct json_skeleton skeleton;
    char *text = with_long("{\"image\": \"%s\\\"\\\\\", \"b\": 1}", LONG);
    assert_int_equal(json_skeleton_init(span_of(text), 10, 100, &skeleton, NULL), STATUS_OK);
    const char expected[] = "{\"image\": \"\\u00010\", \"b\": 1}";
    assert_int_equal(skeleton.size, strlen(expected));
    assert_memory_equal(skeleton.text, expected, skeleton.size);
    assert_int_equal(skeleton.string_count, 1);
    const struct span *found = json_skeleton_find(&skeleton, "\x01"
                                                             "0");
    assert_non_null(found);
    assert_ptr_equal(found->data, text + strlen("{\"image\": \""));
    assert_int_equal(found->size, LONG + 4);
    assert_null(json_skeleton_find(&skeleton, "\x01"
                                              "1"));
    assert_null(json_skeleton_find(&skeleton, "0"));
    assert_null(json_skeleton_find(&skeleton, ""));
    json_skeleton_fini(&skeleton);
    free(text);
}

/* One byte decides; and many need more room than there was at first. */
static void where_long_begins(void **state)
{
    (void)state;
    struct json_skeleton skeleton;
    for (size_t more = 0; more < 2; more++) {
        char *text = with_long("\"%s\"", LONG + more);
        assert_int_equal(json_skeleton_init(span_of(text), 10, SIZE_MAX, &skeleton, NULL), 0);
        assert_int_equal(skeleton.string_count, more);
        json_skeleton_fini(&skeleton);
        free(text);
    }
    char *one = with_long("\"%s\",", LONG + 1);
    size_t size = strlen(one);
    char *many = malloc(size * 30 + 1);
    assert_non_null(many);
    for (size_t i = 0; i < 30; i++)
        memcpy(many + i * size, one, size + 1);
    assert_int_equal(json_skeleton_init(span_of(many), 30, 1000, &skeleton, NULL), STATUS_OK);
    assert_int_equal(skeleton.string_count, 30);
    assert_ptr_equal(json_skeleton_find(&skeleton, "\x01"
                                                   "29")
                         ->data,
                     many + 29 * size + 1);
    json_skeleton_fini(&skeleton);
    free(many);
    free(one);
}

static void expect_failure(const char *text, size_t max_values, size_t max_bytes,
                           enum status status, const char *expected)
{
    struct json_skeleton skeleton;
    struct error error = {0};
    assert_int_equal(json_skeleton_init(span_of(text), max_values, max_bytes, &skeleton, &error),
                     status);
    assert_string_equal(error.text, expected);
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    struct json_skeleton skeleton;
    assert_int_equal(json_skeleton_init(span_of("[[[[1]]]]"), 9, 9, &skeleton, NULL), STATUS_OK);
    json_skeleton_fini(&skeleton);
    expect_failure("[[[[[1]]]]]", 99, 99, STATUS_BAD_REQUEST, "the JSON is nested too deeply");
    expect_failure("{{{{{", 99, 99, STATUS_BAD_REQUEST, "the JSON is nested too deeply");
    expect_failure("[1,2,3]", 2, 99, STATUS_TOO_LARGE, "the JSON has more than 2 values");
    expect_failure("[1,\"a\"]", 99, 6, STATUS_TOO_LARGE,
                   "the JSON has more than 6 bytes beside its images; that cannot be meant");
    expect_failure("[\"\\u00010\"]", 99, 99, STATUS_BAD_REQUEST,
                   "a string begins with a control character");
    char *text = with_long("[\"%s", LONG + 1);
    expect_failure(text, 99, 99, STATUS_BAD_REQUEST, "the body ends within a string");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_strings_stay),
        cmocka_unit_test(long_strings_are_cut_out),
        cmocka_unit_test(where_long_begins),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
