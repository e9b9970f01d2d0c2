#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "model/catalogue/catalogue_entry.h"

#define NAME     "\"model\": \"net50\", \"weights\": \"V2\""
#define URL      "\"url\": \"https://example.org/w/net50-0badcafe.pth\""
#define SHA256   "\"sha256\": \"0badcafe\""
#define COMPLETE NAME ", " URL ", " SHA256

/* The entry borrows from `ret_doc`, which the caller ends. */
static enum status read_entry(const char *text, struct json_doc **ret_doc,
                              struct catalogue_entry *ret_entry, struct error *error)
{
    struct span span = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(json_doc_parse(span, ret_doc, NULL), STATUS_OK);
    return catalogue_entry_read(json_doc_root(*ret_doc), ret_entry, error);
}

static void least_entry_has_the_defaults(void **state)
{
    (void)state;
    struct json_doc *doc;
    struct catalogue_entry entry;
    assert_int_equal(read_entry("{" COMPLETE "}", &doc, &entry, NULL), STATUS_OK);
    assert_string_equal(entry.model, "net50");
    assert_string_equal(entry.weights, "V2");
    assert_false(entry.is_default);
    assert_string_equal(entry.url, "https://example.org/w/net50-0badcafe.pth");
    assert_string_equal(entry.file, "net50-0badcafe.pth");
    assert_string_equal(entry.sha256_prefix, "0badcafe");
    assert_int_equal(entry.size_mib_times_1000, 0);
    assert_int_equal(entry.parameters, 0);
    assert_true(entry.acc_at_1 == 0 && entry.acc_at_5 == 0);
    assert_int_equal(entry.recipe.resize_px, 256);
    assert_int_equal(entry.recipe.crop_px, 224);
    assert_true(entry.recipe.mean[2] == 0.406F && entry.recipe.std[0] == 0.229F);
    assert_null(entry.labels);
    catalogue_entry_fini(&entry);
    assert_null(entry.model);
    json_doc_destroy(doc);
}

static void every_key_is_taken_over(void **state)
{
    (void)state;
    struct json_doc *doc;
    struct catalogue_entry entry;
    struct error error = {0};
    assert_int_equal(read_entry("{" COMPLETE ", \"default\": true, \"size_mib\": 97.781, "
                                "\"parameters\": 25557032, \"acc_at_1\": 80.858, "
                                "\"acc_at_5\": 95, \"labels\": [\"cat\", \"dog\"], "
                                "\"resize\": 232, \"crop\": 64, \"mean\": [0.5, 0.25, 0.75], "
                                "\"std\": [1, 0.125, 0.5]}",
                                &doc, &entry, &error),
                     STATUS_OK);
    assert_true(entry.is_default);
    assert_int_equal(entry.size_mib_times_1000, 97781);
    assert_int_equal(entry.parameters, 25557032);
    assert_true(entry.acc_at_1 == 80.858 && entry.acc_at_5 == 95);
    assert_int_equal(labels_count(entry.labels), 2);
    assert_string_equal(labels_at(entry.labels, 1).text, "dog");
    assert_int_equal(entry.recipe.resize_px, 232);
    assert_int_equal(entry.recipe.crop_px, 64);
    assert_true(entry.recipe.mean[0] == 0.5F && entry.recipe.mean[1] == 0.25F &&
                entry.recipe.mean[2] == 0.75F);
    assert_true(entry.recipe.std[0] == 1 && entry.recipe.std[1] == 0.125F &&
                entry.recipe.std[2] == 0.5F);
    catalogue_entry_fini(&entry);
    assert_null(entry.labels);
    json_doc_destroy(doc);
}

#define C10        "aaaaaaaaaa"
#define C40        C10 C10 C10 C10
#define H64        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WITH(more) "{" COMPLETE ", " more "}"

static void broken_entry_names_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } broken[] = {
        {"[]", "expected an object"},
        {"{" URL ", " SHA256 ", \"weights\": \"V1\"}", "model: missing"},
        {"{" URL ", " SHA256 ", \"model\": \"net50\"}", "weights: missing"},
        {"{" NAME ", " SHA256 "}", "url: missing"},
        {"{" NAME ", " URL "}", "sha256: missing"},
        {WITH("\"Default\": true"), "Default: unknown key"},
        {WITH("\"default\": 1"), "default: expected true or false"},
        {WITH("\"size_mib\": -1"), "size_mib: expected a number"},
        {WITH("\"size_mib\": \"97\""), "size_mib: expected a number"},
        {WITH("\"size_mib\": 1.1e9"), "size_mib: expected a number"},
        {WITH("\"parameters\": 1.5"), "parameters: expected a whole number"},
        {WITH("\"parameters\": -1"), "parameters: expected a whole number"},
        {WITH("\"acc_at_1\": 100.5"), "acc_at_1: expected a percentage"},
        {WITH("\"acc_at_5\": -0.5"), "acc_at_5: expected a percentage"},
        {WITH("\"labels\": [\"cat\", 7]"), "labels: expected an array of strings"},
        {WITH("\"labels\": {}"), "labels: expected an array of strings"},
        {WITH("\"crop\": \"224\""), "crop"},
        {WITH("\"std\": [1, 1]"), "std"},
        /* Labels that were read before the failure are freed: the address sanitizer looks. */
        {WITH("\"labels\": [\"cat\"], \"more\": 1"), "more: unknown key"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct json_doc *doc;
        struct catalogue_entry entry = {.file = "untouched"};
        struct error error = {0};
        assert_int_equal(read_entry(broken[i].text, &doc, &entry, &error), STATUS_BAD_MODEL);
        assert_ptr_equal(strstr(error.text, broken[i].message), error.text);
        assert_string_equal(entry.file, "untouched");
        json_doc_destroy(doc);
    }
}

/* Whether an entry whose `key` holds `value` is taken; if not, that it is the key that is named. */
static bool is_taken(const char *key, const char *value)
{
    static const struct {
        const char *key, *value;
    } good[] = {{"model", "net50"},
                {"weights", "V2"},
                {"url", "https://example.org/net50.pth"},
                {"sha256", "0badcafe"}};
    char text[2048] = "{";
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bool is_ours = strcmp(good[i].key, key) == 0;
        size_t length = strlen(text);
        (void)snprintf(text + length, sizeof text - length, "%s\"%s\": \"%s\"", i ? ", " : "",
                       good[i].key, is_ours ? value : good[i].value);
    }
    strcat(text, "}");
    struct json_doc *doc;
    struct catalogue_entry entry = {0};
    struct error error = {0};
    enum status status = read_entry(text, &doc, &entry, &error);
    catalogue_entry_fini(&entry);
    json_doc_destroy(doc);
    if (status == STATUS_OK)
        return true;
    assert_int_equal(status, STATUS_BAD_MODEL);
    assert_ptr_equal(strstr(error.text, key), error.text);
    return false;
}

static void names_are_safe_in_paths_and_on_terminals(void **state)
{
    (void)state;
    assert_true(is_taken("model", "a"));
    assert_true(is_taken("model", "Net-50_x1.5"));
    assert_true(is_taken("weights", C40 "1234567")); /* 47, and the end */
    assert_false(is_taken("weights", C40 "12345678"));
    assert_false(is_taken("model", ""));
    assert_false(is_taken("model", ".net"));
    assert_false(is_taken("model", "net/50"));
    assert_false(is_taken("model", "net 50"));
    assert_false(is_taken("model", "net\xC3\xA9"));

    assert_true(is_taken("sha256", H64));
    assert_false(is_taken("sha256", H64 "0"));
    assert_false(is_taken("sha256", "0badcaf"));
    assert_false(is_taken("sha256", "0BADCAFE"));
    assert_false(is_taken("sha256", "0badcafe "));

    assert_true(is_taken("url", "https://example.org/net.pt"));
    assert_true(is_taken("url", "https://example.org/net.safetensors"));
    assert_false(is_taken("url", "http://example.org/net.pth"));
    assert_false(is_taken("url", "https://example.org/net.zip"));
    assert_false(is_taken("url", "https://example.org/net"));
    assert_false(is_taken("url", "https://example.org/.pth"));
    assert_false(is_taken("url", "https://example.org/a b/net.pth"));
    assert_false(is_taken("url", "https://example.org/net.pth?raw=1"));
    assert_false(is_taken("url", "https://example.org/net.pth/"));
    assert_true(is_taken("url", "https://example.org/" C40 C40 C40 "123.pth")); /* 127 */
    assert_false(is_taken("url", "https://example.org/" C40 C40 C40 "1234.pth"));
}

static void file_may_have_these_names(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "net50-0badcafe.pt", "net50-0badcafe.safetensors", "net50-V2.pth", "net50-V2.safetensors",
        "net50.pth",         "net50.safetensors",
    };
    struct catalogue_entry entry = {
        .model = "net50", .weights = "V2", .is_default = true, .file = "net50-0badcafe.pt"};
    char file[CATALOGUE_ENTRY_FILE_BYTES];
    for (size_t i = 0; i < 6; i++) {
        assert_true(catalogue_entry_file_name(&entry, i, file));
        assert_string_equal(file, expected[i]);
        /* The last two do not say which set they hold. */
        assert_int_equal(catalogue_entry_is_file(&entry, file), i < 4);
    }
    assert_false(catalogue_entry_file_name(&entry, 6, file));
    assert_false(catalogue_entry_is_file(&entry, "net50-V1.pth"));
    assert_false(catalogue_entry_is_file(&entry, "net50-0badcafe.pth"));

    entry.is_default = false;
    assert_true(catalogue_entry_file_name(&entry, 3, file));
    assert_string_equal(file, "net50-V2.safetensors");
    assert_false(catalogue_entry_file_name(&entry, 4, file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_entry_has_the_defaults),
        cmocka_unit_test(every_key_is_taken_over),
        cmocka_unit_test(broken_entry_names_the_key),
        cmocka_unit_test(names_are_safe_in_paths_and_on_terminals),
        cmocka_unit_test(file_may_have_these_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
