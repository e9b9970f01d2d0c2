#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/catalogue/recipe.h"

static struct json_doc *parse(const char *text)
{
    struct json_doc *doc = NULL;
    struct error error = {0};
    struct span span = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(json_doc_parse(span, &doc, &error), STATUS_OK);
    return doc;
}

static void json_overrides_what_it_names(void **state)
{
    (void)state;
    struct json_doc *doc = parse("{\"resize\": 32, \"std\": [0.25, 1, 0.5], \"other\": true}");
    struct recipe recipe = recipe_imagenet;
    struct error error = {0};
    assert_int_equal(recipe_read_json(json_doc_root(doc), &recipe, &error), STATUS_OK);
    assert_int_equal(recipe.resize_px, 32);
    assert_int_equal(recipe.crop_px, 224);
    assert_float_equal(recipe.mean[0], 0.485F, 0);
    assert_float_equal(recipe.std[1], 1.0F, 0);
    json_doc_destroy(doc);
}

static void wrong_json_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{\"crop\": 8, \"resize\": 0}",          "{\"crop\": 8, \"resize\": 4097}",
        "{\"crop\": 8, \"resize\": 1.5}",        "{\"crop\": 8, \"resize\": \"256\"}",
        "{\"crop\": 8, \"mean\": [0.5, 0.5]}",   "{\"crop\": 8, \"mean\": [123.7, 116.3, 103.5]}",
        "{\"crop\": 8, \"std\": [1, 1, 0]}",     "{\"crop\": 8, \"std\": [1, 1, 1, 1]}",
        "{\"crop\": 8, \"std\": [1, 1, \"1\"]}", "{\"crop\": 8, \"mean\": 0.5}",
        "{\"crop\": 8, \"mean\": [-0.1, 0, 0]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct json_doc *doc = parse(wrong[i]);
        struct recipe recipe = recipe_imagenet;
        struct error error = {0};
        assert_int_equal(recipe_read_json(json_doc_root(doc), &recipe, &error), STATUS_BAD_MODEL);
        assert_memory_equal(&recipe, &recipe_imagenet, sizeof recipe);
        assert_int_equal(error.status, STATUS_BAD_MODEL);
        json_doc_destroy(doc);
    }
}

static void text_is_read_in_both_spellings(void **state)
{
    (void)state;
    struct recipe recipe = recipe_imagenet;
    struct error error = {0};
    assert_int_equal(recipe_read_text("resize", "142", &recipe, &error), STATUS_OK);
    assert_int_equal(recipe_read_text("crop", "[128]", &recipe, &error), STATUS_OK);
    assert_int_equal(recipe_read_text("mean", "0.25,0.5,0.75", &recipe, &error), STATUS_OK);
    assert_int_equal(recipe_read_text("std", "[0.5, 0.25, 1]", &recipe, &error), STATUS_OK);
    assert_int_equal(recipe_read_text("std", NULL, &recipe, &error), STATUS_OK);
    assert_int_equal(recipe_read_text("architecture", "resnet", &recipe, &error), STATUS_OK);
    const struct recipe expected = {142, 128, {0.25F, 0.5F, 0.75F}, {0.5F, 0.25F, 1.0F}};
    assert_memory_equal(&recipe, &expected, sizeof recipe);
}

static void wrong_text_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"resize", ""},         {"resize", "142px"},      {"resize", "[[142]]"},
        {"mean", "0.5"},        {"mean", "0.5 0.5 0.5"},  {"crop", "224,224"},
        {"std", "nan,nan,nan"}, {"std", "1,1,1],[2,2,2"}, {"resize", "-1"},
        {"resize", "1e3"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct recipe recipe = recipe_imagenet;
        struct error error = {0};
        assert_int_equal(recipe_read_text(wrong[i][0], wrong[i][1], &recipe, &error),
                         STATUS_BAD_MODEL);
        assert_memory_equal(&recipe, &recipe_imagenet, sizeof recipe);
        assert_memory_equal(error.text, wrong[i][0], strlen(wrong[i][0]));
    }
    char endless[600];
    memset(endless, '1', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    struct recipe recipe = recipe_imagenet;
    assert_int_equal(recipe_read_text("resize", endless, &recipe, NULL), STATUS_BAD_MODEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_overrides_what_it_names),
        cmocka_unit_test(wrong_json_changes_nothing),
        cmocka_unit_test(text_is_read_in_both_spellings),
        cmocka_unit_test(wrong_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
