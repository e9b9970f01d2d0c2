#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/json_doc.h"

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static struct json_doc *parse(const char *text)
{
    struct error error = {0};
    struct json_doc *doc = NULL;
    if (json_doc_parse(span_of(text), &doc, &error) != STATUS_OK)
        fail_msg("%s: %s", text, error.text);
    return doc;
}

static void members_are_found_by_key_and_items_by_index(void **state)
{
    (void)state;
    struct json_doc *doc = parse("{\"a\": {\"b\": [10, \"x\", true]}}");
    const struct json_node *list = json_node_member(json_node_member(json_doc_root(doc), "a"), "b");
    assert_true(json_node_is_array(list));
    assert_false(json_node_is_object(list));
    assert_int_equal(json_node_count(list), 3);
    int64_t number = 0;
    assert_true(json_node_integer(json_node_item(list, 0), &number));
    assert_int_equal(number, 10);
    assert_string_equal(json_node_string(json_node_item(list, 1)), "x");
    bool boolean = false;
    assert_true(json_node_boolean(json_node_item(list, 2), &boolean));
    assert_true(boolean);
    json_doc_destroy(doc);
}

static void what_is_absent_is_null_all_the_way(void **state)
{
    (void)state;
    struct json_doc *doc = parse("{\"a\": []}");
    const struct json_node *root = json_doc_root(doc);
    const struct json_node *nothing = json_node_member(root, "b");
    assert_null(nothing);
    assert_null(json_node_item(json_node_member(root, "a"), 0));
    assert_null(json_node_item(root, 0));
    assert_null(json_node_member(json_node_member(root, "a"), "a"));
    assert_null(json_node_member(nothing, "c"));
    assert_null(json_node_item(nothing, 0));
    assert_null(json_node_string(nothing));
    assert_int_equal(json_node_count(nothing), 0);
    assert_false(json_node_is_object(nothing));
    assert_false(json_node_is_array(nothing));
    json_doc_destroy(doc);
}

/* Which of the four questions a value answers: string, integer, number, boolean. */
static void assert_type(const char *text, bool is_string, bool is_integer, bool is_number,
                        bool is_boolean)
{
    struct json_doc *doc = parse(text);
    const struct json_node *node = json_doc_root(doc);
    int64_t integer = 77;
    double number = 77;
    bool boolean = true;
    assert_int_equal(json_node_string(node) != NULL, is_string);
    assert_int_equal(json_node_integer(node, &integer), is_integer);
    assert_int_equal(json_node_number(node, &number), is_number);
    assert_int_equal(json_node_boolean(node, &boolean), is_boolean);
    if (!is_integer)
        assert_int_equal(integer, 77);
    if (!is_number)
        assert_true(number == 77);
    json_doc_destroy(doc);
}

static void a_value_answers_its_own_type_only(void **state)
{
    (void)state;
    assert_type("\"12\"", true, false, false, false);
    assert_type("\"\"", true, false, false, false);
    assert_type("12", false, true, true, false);
    assert_type("12.0", false, false, true, false);
    assert_type("false", false, false, false, true);
    assert_type("null", false, false, false, false);
    assert_type("[]", false, false, false, false);
    assert_type("{}", false, false, false, false);
}

static void integers_are_exact_to_their_limits(void **state)
{
    (void)state;
    struct json_doc *doc = parse("[9223372036854775807, -9223372036854775808]");
    int64_t value = 0;
    assert_true(json_node_integer(json_node_item(json_doc_root(doc), 0), &value));
    assert_true(value == INT64_MAX);
    assert_true(json_node_integer(json_node_item(json_doc_root(doc), 1), &value));
    assert_true(value == INT64_MIN);
    json_doc_destroy(doc);
}

static void broken_documents_are_refused_with_their_place(void **state)
{
    (void)state;
    const struct {
        const char *text, *place;
    } cases[] = {
        {"", "line 1"},
        {"{\n  \"a\": 1,\n}", "line 3 column 1"},
        {"[1, 2", "line 1 column"},
        {"{\"a\": 1, \"a\": 2}", "line 1 column"}, /* a key twice */
        {"[1] [2]", "line 1 column"},
        {"[9223372036854775808]", "line 1 column"},
        {"[1e400]", "line 1 column"},
        {"[NaN]", "line 1 column"},
        {"['a']", "line 1 column"},
        {"[\"\xff\"]", "line 1"},
        {"[\"\\u0000\"]", "line 1 column"},
        {"// no\n[]", "line 1 column"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct json_doc *doc = NULL;
        assert_int_equal(json_doc_parse(span_of(cases[i].text), &doc, &error), STATUS_BAD_REQUEST);
        assert_null(doc);
        if (!strstr(error.text, cases[i].place))
            fail_msg("%s: \"%s\" does not say %s", cases[i].text, error.text, cases[i].place);
    }
}

static void a_document_ends_with_its_span(void **state)
{
    (void)state;
    struct error error = {0};
    struct json_doc *doc = NULL;
    const char text[] = "[1, 2]garbage";
    assert_int_equal(json_doc_parse((struct span){(const uint8_t *)text, 6}, &doc, &error),
                     STATUS_OK);
    assert_int_equal(json_node_count(json_doc_root(doc)), 2);
    json_doc_destroy(doc);
    assert_int_equal(json_doc_parse((struct span){(const uint8_t *)text, 5}, &doc, &error),
                     STATUS_BAD_REQUEST);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *text = malloc(DEPTH);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    struct json_doc *doc = NULL;
    assert_int_equal(json_doc_parse((struct span){(const uint8_t *)text, DEPTH}, &doc, NULL),
                     STATUS_BAD_REQUEST);
    free(text);
}

struct visits {
    char keys[16];
    size_t count, stop_after;
};

static bool visit(void *user, const char *key, const struct json_node *value)
{
    struct visits *visits = user;
    int64_t number = 0;
    assert_true(json_node_integer(value, &number));
    visits->keys[visits->count++] = key[0];
    return visits->count != visits->stop_after;
}

static void members_are_visited_in_order_until_told_to_stop(void **state)
{
    (void)state;
    struct json_doc *doc = parse("{\"z\": 1, \"a\": 2, \"m\": 3}");
    struct visits all = {0}, two = {.stop_after = 2};
    assert_true(json_node_each(json_doc_root(doc), visit, &all));
    assert_string_equal(all.keys, "zam");
    assert_false(json_node_each(json_doc_root(doc), visit, &two));
    assert_string_equal(two.keys, "za");
    json_doc_destroy(doc);
}

static void a_document_is_written_in_the_order_it_was_made(void **state)
{
    (void)state;
    struct json_doc *doc = json_doc_create();
    struct json_node *root = json_doc_root(doc);
    json_node_put_string(doc, root, "file", "a \"b\"\n\xc3\xa9");
    struct json_node *list = json_node_put_array(doc, root, "list");
    json_node_put_integer(doc, list, NULL, INT64_MIN);
    json_node_put_boolean(doc, list, NULL, false);
    json_node_put_string(doc, json_node_put_object(doc, list, NULL), "k", "v");
    json_node_put_boolean(doc, root, "done", true);
    char *text = NULL;
    assert_int_equal(json_doc_format(doc, false, &text, NULL), STATUS_OK);
    assert_string_equal(text, "{\"file\": \"a \\\"b\\\"\\n\xc3\xa9\", \"list\": "
                              "[-9223372036854775808, false, {\"k\": \"v\"}], \"done\": true}");
    free(text);
    json_doc_destroy(doc);
}

static void numbers_keep_nine_digits(void **state)
{
    (void)state;
    const double values[] = {0.1f, 1.0 / 3, 123456.789, 1e-30, -0.25, FLT_MAX, FLT_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct json_doc *doc = json_doc_create();
        json_node_put_number(doc, json_doc_root(doc), "n", values[i]);
        char *text = NULL;
        assert_int_equal(json_doc_format(doc, false, &text, NULL), STATUS_OK);
        double read = strtod(strchr(text, ':') + 1, NULL);
        /* Nine digits are enough to know a float by. */
        assert_true((float)read == (float)values[i]);
        assert_true(fabs(read - values[i]) <= 5e-9 * fabs(values[i]));
        free(text);
        json_doc_destroy(doc);
    }
}

/* The document cannot be written, whatever was put into it later. */
static void assert_spoilt(struct json_doc *doc)
{
    json_node_put_integer(doc, json_doc_root(doc), "later", 1);
    struct error error = {0};
    char *text = NULL;
    assert_int_equal(json_doc_format(doc, false, &text, &error), STATUS_INTERNAL);
    assert_null(text);
    assert_int_equal(error.status, STATUS_INTERNAL);
    json_doc_destroy(doc);
}

static void a_put_that_failed_is_told_at_the_end(void **state)
{
    (void)state;
    struct json_doc *doc = json_doc_create();
    json_node_put_string(doc, json_doc_root(doc), "name", "\xff not UTF-8");
    assert_spoilt(doc);

    doc = json_doc_create();
    json_node_put_number(doc, json_doc_root(doc), "n", NAN);
    assert_spoilt(doc);

    doc = json_doc_create();
    struct json_node *list = json_node_put_array(doc, json_doc_root(doc), "list");
    assert_null(json_node_put_object(doc, list, "key")); /* an array has no keys */
    assert_spoilt(doc);

    doc = json_doc_create();
    json_node_put_integer(doc, NULL, "n", 1);
    assert_spoilt(doc);
}

static void pretty_is_the_same_document_on_lines(void **state)
{
    (void)state;
    struct json_doc *doc = parse("{\"a\": [1, 2]}");
    char *text = NULL;
    assert_int_equal(json_doc_format(doc, true, &text, NULL), STATUS_OK);
    assert_string_equal(text, "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    free(text);
    json_doc_destroy(doc);
}

static void nothing_may_be_destroyed(void **state)
{
    (void)state;
    json_doc_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_key_and_items_by_index),
        cmocka_unit_test(what_is_absent_is_null_all_the_way),
        cmocka_unit_test(a_value_answers_its_own_type_only),
        cmocka_unit_test(integers_are_exact_to_their_limits),
        cmocka_unit_test(broken_documents_are_refused_with_their_place),
        cmocka_unit_test(a_document_ends_with_its_span),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(members_are_visited_in_order_until_told_to_stop),
        cmocka_unit_test(a_document_is_written_in_the_order_it_was_made),
        cmocka_unit_test(numbers_keep_nine_digits),
        cmocka_unit_test(a_put_that_failed_is_told_at_the_end),
        cmocka_unit_test(pretty_is_the_same_document_on_lines),
        cmocka_unit_test(nothing_may_be_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
