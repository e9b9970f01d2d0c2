#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/catalogue/labels.h"

#define HEADER "class_id\twnid\tlabel\n"

static enum status parse(const char *text, struct labels **ret_labels, struct error *error)
{
    return labels_parse_tsv((struct span){(const uint8_t *)text, strlen(text)}, ret_labels, error);
}

static struct labels *parsed(const char *text)
{
    struct labels *labels = NULL;
    struct error error = {0};
    assert_int_equal(parse(text, &labels, &error), STATUS_OK);
    return labels;
}

static enum status read_json(const char *text, struct labels **ret_labels, struct error *error)
{
    struct json_doc *doc = NULL;
    struct span span = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(json_doc_parse(span, &doc, NULL), STATUS_OK);
    enum status status = labels_read_json(json_doc_root(doc), ret_labels, error);
    json_doc_destroy(doc);
    return status;
}

static void table_is_read(void **state)
{
    (void)state;
    struct labels *labels = parsed(HEADER "0\tn1\ttench\r\n1\t\tgroßer Hund\n2\tn3\tlast");
    assert_int_equal(labels_count(labels), 3);
    assert_string_equal(labels_at(labels, 0).wnid, "n1");
    assert_string_equal(labels_at(labels, 0).text, "tench");
    assert_null(labels_at(labels, 1).wnid);
    assert_string_equal(labels_at(labels, 1).text, "großer Hund");
    assert_string_equal(labels_at(labels, 2).text, "last");
    labels_destroy(labels);
}

static void broken_table_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } broken[] = {
        {"", "line 1"},
        {"0\tn1\ttench\n", "line 1"},
        {HEADER, "no class"},
        {HEADER "1\tn1\ttench\n", "line 2: expected class_id 0"},
        {HEADER "0\tn1\ttench\n2\tn2\tfish\n", "line 3: expected class_id 1"},
        {HEADER "0\tn1\ttench\n\n", "line 3"},
        {HEADER "0\tn1\n", "line 2"},
        {HEADER "0\tn1\t\n", "line 2"},
        {HEADER "-0\tn1\ttench\n", "line 2"},
        {HEADER "0\tn1\ttench\tmore\n", "line 2"},
        {HEADER "0\tn1\t\x1b[31mred\n", "line 2"},
        {HEADER "0\tn1\t\xc2\x9b"
                "31mred\n",
         "line 2"},
        {HEADER "0\tn1\tbad \xff utf-8\n", "line 2"},
        {HEADER "0\tn1\toverlong \xc0\xaf\n", "line 2"},
        {HEADER "0\tn1\tsurrogate \xed\xa0\x80\n", "line 2"},
        {HEADER "0\tn1\tcut \xe2\x82", "line 2"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct labels *labels = NULL;
        struct error error = {0};
        assert_int_equal(parse(broken[i].text, &labels, &error), STATUS_BAD_MODEL);
        assert_null(labels);
        assert_non_null(strstr(error.text, broken[i].place));
    }
}

static void json_array_is_read(void **state)
{
    (void)state;
    struct labels *labels = NULL;
    assert_int_equal(read_json("[\"airplane\", \"bird\"]", &labels, NULL), STATUS_OK);
    assert_int_equal(labels_count(labels), 2);
    assert_string_equal(labels_at(labels, 1).text, "bird");
    assert_null(labels_at(labels, 1).wnid);
    labels_destroy(labels);

    static const char *const wrong[] = {"[]",         "{}",     "\"a\"",
                                        "[\"a\", 1]", "[\"\"]", "[\"a\\u001b[2J\"]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct labels *none = NULL;
        assert_int_equal(read_json(wrong[i], &none, NULL), STATUS_BAD_MODEL);
        assert_null(none);
    }
    assert_int_equal(labels_read_json(NULL, &labels, NULL), STATUS_BAD_MODEL);
}

static void numbered_labels_count_from_zero(void **state)
{
    (void)state;
    struct labels *labels = NULL;
    assert_int_equal(labels_create_numbered(1001, &labels, NULL), STATUS_OK);
    assert_int_equal(labels_count(labels), 1001);
    assert_string_equal(labels_at(labels, 1000).text, "class 1000");
    labels_destroy(labels);
    assert_int_equal(labels_create_numbered(SIZE_MAX / 2, &labels, NULL), STATUS_TOO_LARGE);
}

static void assert_found(const struct labels *labels, const char *name, size_t expected)
{
    size_t id = 999;
    assert_true(labels_find(labels, name, &id));
    assert_int_equal(id, expected);
}

static void classes_are_found_by_each_name(void **state)
{
    (void)state;
    struct labels *labels = parsed(HEADER "0\tn10\tgolden retriever\n1\tn11\tCardigan\n"
                                          "2\tn12\tcardigan\n3\tn13\tcrane\n4\tn14\tcrane\n"
                                          "5\tn15\t7\n6\tn16\tsix\n7\tn17\tseven\n");
    assert_found(labels, "n10", 0);
    assert_found(labels, "golden retriever", 0);
    assert_found(labels, "Golden_Retriever", 0);
    assert_found(labels, "Cardigan", 1);
    assert_found(labels, "cardigan", 2);
    assert_found(labels, "6", 6);
    assert_found(labels, "0", 0);
    /* A label goes before a number. */
    assert_found(labels, "7", 5);

    static const char *const none[] = {"crane",
                                       "CARDIGAN",
                                       "8",
                                       "-1",
                                       "0x1",
                                       "1 ",
                                       "",
                                       "golden",
                                       "golden retriever2",
                                       "99999999999999999999"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        size_t id = 999;
        assert_false(labels_find(labels, none[i], &id));
        assert_int_equal(id, 999);
    }
    labels_destroy(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_read),
        cmocka_unit_test(broken_table_names_its_line),
        cmocka_unit_test(json_array_is_read),
        cmocka_unit_test(numbered_labels_count_from_zero),
        cmocka_unit_test(classes_are_found_by_each_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
