#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/net/engine_golden.h"

static enum status read_text(const char *text, struct engine_golden *ret_golden,
                             struct error *error)
{
    struct json_doc *doc = NULL;
    const struct span span = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(json_doc_parse(span, &doc, NULL), STATUS_OK);
    enum status status = engine_golden_read(json_doc_root(doc), ret_golden, error);
    json_doc_destroy(doc);
    return status;
}

static void good_values_are_read(void **state)
{
    (void)state;
    struct engine_golden golden;
    assert_int_equal(
        read_text("{\"logits\": [[574, 6.25], [0, -1]], \"tolerance\": 0.5}", &golden, NULL),
        STATUS_OK);
    assert_int_equal(golden.count, 2);
    assert_int_equal(golden.logits[0].class_id, 574);
    assert_float_equal(golden.logits[0].logit, 6.25f, 0);
    assert_int_equal(golden.logits[1].class_id, 0);
    assert_float_equal(golden.logits[1].logit, -1, 0);
    assert_float_equal(golden.tolerance, 0.5f, 0);
    assert_int_equal(read_text("{\"logits\": [[1, 2]]}", &golden, NULL), STATUS_OK);
    assert_float_equal(golden.tolerance, 0.001f, 1e-9f);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"[]", "golden: expected {\"logits\""},
        {"{}", "golden: expected {\"logits\""},
        {"{\"logits\": 3}", "golden: expected {\"logits\""},
        {"{\"logits\": []}", "golden: 0 logits; 1 to 64 are read"},
        {"{\"logits\": [[1, 2], [3]]}", "golden: logits: entry 2 is no [class_id, logit]"},
        {"{\"logits\": [[1, 2, 3]]}", "entry 1 is no"},
        {"{\"logits\": [[-1, 2]]}", "entry 1 is no"},
        {"{\"logits\": [[4294967296, 2]]}", "entry 1 is no"},
        {"{\"logits\": [[1.5, 2]]}", "entry 1 is no"},
        {"{\"logits\": [[1, 1e300]]}", "entry 1 is no"},
        {"{\"logits\": [[1, \"2\"]]}", "entry 1 is no"},
        {"{\"logits\": [7]}", "entry 1 is no"},
        {"{\"logits\": [[1, 2]], \"tolerance\": 0}", "golden: tolerance: expected"},
        {"{\"logits\": [[1, 2]], \"tolerance\": \"x\"}", "golden: tolerance: expected"},
        {"{\"logits\": [[1, 2]], \"tolerance\": 1e9}", "golden: tolerance: expected"},
        {"{\"logits\": [[1, 2]], \"top\": 3}", "golden: top: unknown key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct engine_golden golden = {.count = 99};
        struct error error = {0};
        assert_int_equal(read_text(rows[i].text, &golden, &error), STATUS_BAD_MODEL);
        if (!strstr(error.text, rows[i].why))
            fail_msg("%s: %s", rows[i].text, error.text);
        assert_int_equal(golden.count, 99);
    }
    char many[1024] = "{\"logits\": [[1, 2]";
    for (int i = 0; i < ENGINE_GOLDEN_MAX_LOGITS; i++)
        strcat(many, ", [1, 2]");
    strcat(many, "]}");
    struct engine_golden golden;
    assert_int_equal(read_text(many, &golden, NULL), STATUS_BAD_MODEL);
}

/* Values worked out by hand. */
static void the_image_follows_the_formula(void **state)
{
    (void)state;
    enum { SIDE = 100 };
    static uint8_t pixels[SIDE][SIDE][3];
    engine_golden_draw(SIDE, &pixels[0][0][0]);
    static const uint8_t first[] = {0, 0, 0, 3, 2, 1}, second_row[] = {1, 2, 3};
    assert_memory_equal(pixels[0][0], first, sizeof first);
    assert_memory_equal(pixels[1][0], second_row, sizeof second_row);
    /* y 99, x 98: 99 + 294 + 606 = 999; 198 + 196 + 606 = 1000; 297 + 98 + 606 = 1001 */
    static const uint8_t late[] = {999 % 256, 1000 % 256, 1001 % 256};
    assert_memory_equal(pixels[99][98], late, sizeof late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values_are_read),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(the_image_follows_the_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
