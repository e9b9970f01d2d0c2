#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/catalogue/catalogue.h"
#include "model/catalogue/labels.h"
#include "server/web/assets.h"

static void catalogue_is_whole(void **state)
{
    (void)state;
    struct catalogue *catalogue = NULL;
    struct error error = {0};
    if (catalogue_parse(assets_catalogue(), &catalogue, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(catalogue_count(catalogue), 17);
    const struct catalogue_entry *entry = NULL;
    assert_int_equal(catalogue_find(catalogue, "resnet50", &entry, &error), STATUS_OK);
    assert_string_equal(entry->weights, "V2");
    assert_int_equal(entry->recipe.resize_px, 232);
    assert_int_equal(entry->recipe.crop_px, 224);
    assert_int_equal(catalogue_find(catalogue, "resnet18", &entry, &error), STATUS_OK);
    assert_string_equal(entry->weights, "V1");
    catalogue_destroy(catalogue);
}

static void labels_are_imagenets(void **state)
{
    (void)state;
    struct labels *labels = NULL;
    struct error error = {0};
    if (labels_parse_tsv(assets_labels(), &labels, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(labels_count(labels), 1000);
    assert_string_equal(labels_at(labels, 207).text, "golden retriever");
    assert_string_equal(labels_at(labels, 207).wnid, "n02099601");
    assert_string_equal(labels_at(labels, 999).wnid, "n15075141");
    labels_destroy(labels);
}

static void files_are_embedded_whole(void **state)
{
    (void)state;
    struct span weights = assets_demo_weights(), image = assets_sample_image();
    /* safetensors: the header's length, the header, then as many bytes as its last tensor ends. */
    uint64_t header_bytes = 0;
    assert_true(span_read_le(weights, 0, 8, &header_bytes));
    assert_int_equal(weights.size, 8 + header_bytes + 10849104);
    assert_true(span_has(weights, 8, "{\"__metadata__\"", 15));
    assert_int_equal((uintptr_t)weights.data % 4096, 0);
    /* JPEG: start and end of image. */
    assert_true(span_has(image, 0, "\xff\xd8\xff", 3));
    assert_true(span_has(image, image.size - 2, "\xff\xd9", 2));
}

static bool contains(struct span bytes, const char *text)
{
    return memmem(bytes.data, bytes.size, text, strlen(text)) != NULL;
}

static void page_is_one_document(void **state)
{
    (void)state;
    struct span page = assets_page();
    assert_true(span_has(page, 0, "<!doctype html>", 15));
    assert_true(span_has(page, page.size - 8, "</html>\n", 8));
    assert_true(contains(page, "script-src 'sha256-"));
    assert_true(contains(page, "style-src 'sha256-"));
    assert_false(contains(page, "page.js"));
    assert_false(contains(page, "page.css"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catalogue_is_whole),
        cmocka_unit_test(labels_are_imagenets),
        cmocka_unit_test(files_are_embedded_whole),
        cmocka_unit_test(page_is_one_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
