#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/base/json_line.h"

static const char document[] = "\n{ \"a\": 1,\n"             /* 2 */
                               "  \"b\": [1, {\"x\":\n"      /* 3 */
                               "    \"}],\\\"\"},\n"         /* 4 */
                               "    [[], 2],\n"              /* 5 */
                               "    7],\n"                   /* 6 */
                               "  \"p\\u006frt\"\n"          /* 7 */
                               "  : {\"b\" : {}, \"c\":\n"   /* 8 */
                               "  null, \"d.e\" : false\n"   /* 9 */
                               "  ,\n\t\"f\": -1.5e3}}\r\n"; /* 10, 11 */

/* Ends with NULL; "#2" is an item. */
static size_t find(const char *text, const char *const *path)
{
    struct json_step steps[4];
    size_t count = 0;
    for (; path[count]; count++)
        steps[count] = path[count][0] == '#'
                           ? (struct json_step){.index = (size_t)(path[count][1] - '0')}
                           : (struct json_step){.key = path[count]};
    return json_line_find((struct span){(const uint8_t *)text, strlen(text)}, steps, count);
}

#define FIND(text, ...) find(text, (const char *const[]){__VA_ARGS__, NULL})

static void keys_and_items_are_found_on_their_lines(void **state)
{
    (void)state;
    assert_int_equal(FIND(document, "a"), 2);
    assert_int_equal(FIND(document, "b"), 3);
    assert_int_equal(FIND(document, "b", "#0"), 3);
    assert_int_equal(FIND(document, "b", "#1", "x"), 3);
    assert_int_equal(FIND(document, "b", "#2"), 5);
    assert_int_equal(FIND(document, "b", "#2", "#1"), 5);
    assert_int_equal(FIND(document, "b", "#3"), 6);
    assert_int_equal(FIND(document, "port"), 7);
    assert_int_equal(FIND(document, "port", "b"), 8);
    assert_int_equal(FIND(document, "port", "c"), 8);
    assert_int_equal(FIND(document, "port", "d.e"), 9);
    assert_int_equal(FIND(document, "port", "f"), 11);
}

static void what_is_not_there_has_no_line(void **state)
{
    (void)state;
    assert_int_equal(FIND(document, "c"), 0);
    assert_int_equal(FIND(document, "x"), 0);
    assert_int_equal(FIND(document, "por"), 0);
    assert_int_equal(FIND(document, "a", "b"), 0);
    assert_int_equal(FIND(document, "b", "#4"), 0);
    assert_int_equal(FIND(document, "port", "b", "b"), 0);
    assert_int_equal(FIND(document, "#0"), 0);
    assert_int_equal(FIND("[]", "#0"), 0);
    assert_int_equal(FIND("[1]", "#1"), 0);
}

/* Nobody asks for those, but nothing is read behind their end: the sanitizers' build looks. */
static void broken_texts_are_harmless(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof document; size++) {
        char *cut = test_malloc(size ? size : 1);
        memcpy(cut, document, size);
        const struct json_step steps[] = {{.key = "port"}, {.key = "f"}};
        size_t line = json_line_find((struct span){(const uint8_t *)cut, size}, steps, 2);
        assert_true(line == 0 || line == 11);
        test_free(cut);
    }
    assert_int_equal(FIND("{\"a\\", "a"), 0);
    assert_int_equal(FIND("{\"a\": ]]]]}", "b"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_items_are_found_on_their_lines),
        cmocka_unit_test(what_is_not_there_has_no_line),
        cmocka_unit_test(broken_texts_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
