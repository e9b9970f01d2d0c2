#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/catalogue/catalogue.h"

#define ENTRY(model, weights, is_default)                                                          \
    "{\"model\": \"" model "\", \"weights\": \"" weights "\", \"default\": " is_default            \
    ", \"url\": \"https://example.org/w/" model "-" weights "-0badcafe.pth\", \"sha256\": "        \
    "\"0badcafe\"}"

static const char three_entries[] = "{\"models\": [" ENTRY("net18", "V1", "true") ", " ENTRY(
    "net50", "V1",
    "false") ", "
             "{\"model\": \"net50\", \"weights\": \"V2\", \"default\": true, \"url\": "
             "\"https://example.org/net50-11ad3fa6.pth\", \"sha256\": \"11ad3fa6\", \"size_mib\": "
             "97.79, "
             "\"parameters\": 25557032, \"acc_at_1\": 80.858, \"acc_at_5\": 95.434, \"resize\": "
             "232, "
             "\"crop\": 200, \"labels\": [\"cat\", \"dog\"]}]}";

static enum status parse(const char *text, struct catalogue **ret_catalogue, struct error *error)
{
    struct span span = {(const uint8_t *)text, strlen(text)};
    return catalogue_parse(span, ret_catalogue, error);
}

static int setup(void **state)
{
    struct catalogue *catalogue = NULL;
    struct error error = {0};
    if (parse(three_entries, &catalogue, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    *state = catalogue;
    return 0;
}

static int teardown(void **state)
{
    catalogue_destroy(*state);
    return 0;
}

static void entry_holds_what_is_published(void **state)
{
    const struct catalogue *catalogue = *state;
    assert_int_equal(catalogue_count(catalogue), 3);
    const struct catalogue_entry *entry = catalogue_at(catalogue, 2);
    assert_string_equal(entry->model, "net50");
    assert_string_equal(entry->file, "net50-11ad3fa6.pth");
    assert_int_equal(entry->size_mib_times_1000, 97790);
    assert_int_equal(entry->parameters, 25557032);
    assert_float_equal(entry->acc_at_5, 95.434, 1e-9);
    assert_int_equal(entry->recipe.resize_px, 232);
    assert_int_equal(entry->recipe.crop_px, 200);
    assert_string_equal(labels_at(entry->labels, 1).text, "dog");
    assert_int_equal(catalogue_at(catalogue, 0)->recipe.resize_px, 256);
    assert_null(catalogue_at(catalogue, 0)->labels);
}

static void assert_finds(const struct catalogue *catalogue, const char *name, size_t index)
{
    const struct catalogue_entry *entry = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_find(catalogue, name, &entry, &error), STATUS_OK);
    assert_ptr_equal(entry, catalogue_at(catalogue, index));
}

static void names_find_their_set(void **state)
{
    assert_finds(*state, "net50", 2);
    assert_finds(*state, "net50:V1", 1);
    assert_finds(*state, "net50:v2", 2);
    assert_finds(*state, "net50:IMAGENET1K_V1", 1);
    assert_finds(*state, "net50:DEFAULT", 2);
    assert_finds(*state, "net18", 0);
}

static void assert_not_found(const struct catalogue *catalogue, const char *name,
                             const char *suggestion)
{
    const struct catalogue_entry *entry = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_find(catalogue, name, &entry, &error), STATUS_NOT_FOUND);
    assert_null(entry);
    assert_non_null(strstr(error.text, suggestion));
}

static void unknown_names_get_a_suggestion(void **state)
{
    assert_not_found(*state, "Net50", "did you mean net50?");
    assert_not_found(*state, "net81", "did you mean net18?");
    assert_not_found(*state, "nett50:V1", "did you mean net50?");
    assert_not_found(*state, "net5", "did you mean net50?");
    assert_not_found(*state, "", "classifyd models");
    assert_not_found(*state, "efficientnet_b0", "classifyd models");
    assert_not_found(*state, "NET18", "did you mean net18?");
    assert_not_found(*state, "net50:V3", "V1, V2");
    assert_not_found(*state, "net50:", "V1, V2");
}

static void broken_catalogues_name_entry_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } broken[] = {
        {"", "line 1"},
        {"[]", "models"},
        {"{\"models\": {}}", "models"},
        {"{\"models\": [], \"extra\": 1}", "no other key"},
        {"{\"models\": [1]}", "models[0]: expected an object"},
        {"{\"models\": [{}]}", "models[0]: model: missing"},
        {"{\"models\": [" ENTRY("a", "V1", "false") "]}", "one default"},
        {"{\"models\": [" ENTRY("a", "V1", "true") "," ENTRY("a", "V2", "true") "]}",
         "one default"},
        {"{\"models\": [" ENTRY("a", "V1", "true") "," ENTRY("a", "v1", "false") "]}", "twice"},
        {"{\"models\": [" ENTRY("a/b", "V1", "true") "]}", "models[0]: model: expected"},
        {"{\"models\": [" ENTRY("..", "V1", "true") "]}", "models[0]: model: expected"},
        {"{\"models\": [" ENTRY("a", "V1", "1") "]}", "models[0]: default: expected"},
        {"{\"models\": [{\"sha256\": \"0badcaf\"}]}", "sha256: expected"},
        {"{\"models\": [{\"sha256\": \"0BADCAFE\"}]}", "sha256: expected"},
        {"{\"models\": [{\"url\": \"ftp://example.org/a.pth\"}]}", "url: expected"},
        {"{\"models\": [{\"url\": \"http://example.org/a.pth\"}]}", "url: expected"},
        {"{\"models\": [{\"url\": \"https://example.org/a.exe\"}]}", "url: expected"},
        {"{\"models\": [{\"url\": \"https://example.org/.pth\"}]}", "url: expected"},
        {"{\"models\": [{\"url\": \"https://example.org/a b.pth\"}]}", "url: expected"},
        {"{\"models\": [{\"url\": \"https://example.org/a.pth?x=1\"}]}", "url: expected"},
        {"{\"models\": [{\"acc_at_1\": 101}]}", "acc_at_1: expected"},
        {"{\"models\": [{\"size_mib\": -1}]}", "size_mib: expected"},
        {"{\"models\": [{\"parameters\": 1.5}]}", "parameters: expected"},
        {"{\"models\": [{\"resize\": 0}]}", "models[0]: resize: expected"},
        {"{\"models\": [{\"labels\": [1]}]}", "labels: expected"},
        {"{\"models\": [{\"labels\": [\"a\"], \"crops\": 224}]}", "models[0]: crops: unknown key"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct catalogue *catalogue = NULL;
        struct error error = {0};
        assert_int_equal(parse(broken[i].text, &catalogue, &error), STATUS_BAD_MODEL);
        assert_int_equal(error.status, STATUS_BAD_MODEL);
        assert_null(catalogue);
        if (!strstr(error.text, broken[i].place))
            fail_msg("case %zu: %s", i, error.text);
    }
}

static void files_belong_to_their_set(void **state)
{
    const struct catalogue *catalogue = *state;
    const struct catalogue_entry *v2 = catalogue_at(catalogue, 2);
    assert_ptr_equal(catalogue_find_file(catalogue, "net50-11ad3fa6.pth"), v2);
    assert_ptr_equal(catalogue_find_file(catalogue, "net50-11ad3fa6.safetensors"), v2);
    assert_ptr_equal(catalogue_find_file(catalogue, "net50-V2.safetensors"), v2);
    assert_ptr_equal(catalogue_find_file(catalogue, "net50-V1.pth"), catalogue_at(catalogue, 1));
    assert_null(catalogue_find_file(catalogue, "net50.pth"));
    assert_null(catalogue_find_file(catalogue, "net50-11ad3fa6.pth.part"));
    assert_null(catalogue_find_file(catalogue, ""));
}

static void put_file(const char *folder, const char *file)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
}

static void assert_located(const struct catalogue_entry *entry, const char *folders,
                           const char *expected)
{
    char *path = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_locate(entry, folders, &path, &error), STATUS_OK);
    assert_string_equal(path, expected);
    free(path);
}

static void files_are_located_in_the_folders_order(void **state)
{
    const struct catalogue *catalogue = *state;
    char a[] = "/tmp/classifyd_test_XXXXXX", b[] = "/tmp/classifyd_test_XXXXXX";
    assert_non_null(mkdtemp(a));
    assert_non_null(mkdtemp(b));
    char folders[128], path[128];
    (void)snprintf(folders, sizeof folders, "::/nonexistent:%s:%s", a, b);

    char *none = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_locate(catalogue_at(catalogue, 2), folders, &none, &error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "classifyd pull net50:V2"));
    assert_non_null(strstr(error.text, "https://example.org/net50-11ad3fa6.pth"));
    assert_non_null(strstr(error.text, a));

    put_file(b, "net50.pth");
    (void)snprintf(path, sizeof path, "%s/net50.pth", b);
    assert_located(catalogue_at(catalogue, 2), folders, path);
    assert_int_equal(catalogue_locate(catalogue_at(catalogue, 1), folders, &none, NULL),
                     STATUS_NOT_FOUND);
    put_file(b, "net50-11ad3fa6.pth");
    put_file(a, "net50-V2.safetensors");
    (void)snprintf(path, sizeof path, "%s/net50-V2.safetensors", a);
    assert_located(catalogue_at(catalogue, 2), folders, path);
    (void)snprintf(path, sizeof path, "%s/net50-11ad3fa6.pth", b);
    assert_located(catalogue_at(catalogue, 2), b, path);

    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s %s", a, b);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_holds_what_is_published),
        cmocka_unit_test(names_find_their_set),
        cmocka_unit_test(unknown_names_get_a_suggestion),
        cmocka_unit_test(broken_catalogues_name_entry_and_key),
        cmocka_unit_test(files_belong_to_their_set),
        cmocka_unit_test(files_are_located_in_the_folders_order),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
