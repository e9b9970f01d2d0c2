#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights_table.h"

static const uint8_t bytes[64];

static struct weights_tensor vector_of(const char *name, uint64_t size, uint64_t stride)
{
    return (struct weights_tensor){.name = name,
                                   .rank = 1,
                                   .shape = {size},
                                   .strides = {stride},
                                   .data = {bytes, sizeof bytes}};
}

static void assert_refused(const struct weights_tensor *tensor, enum status status,
                           const char *text)
{
    struct weights *weights;
    struct error error = {0};
    assert_int_equal(weights_table_create("random", &weights, &error), STATUS_OK);
    assert_int_equal(weights_table_add(weights, tensor, 4, &error), status);
    assert_string_equal(error.text, text);
    assert_int_equal(weights_count(weights), 0);
    weights_destroy(weights);
}

static void many_tensors_are_found_by_name(void **state)
{
    (void)state;
    struct weights *weights;
    assert_int_equal(weights_table_create("random", &weights, NULL), STATUS_OK);
    for (unsigned i = 0; i < 300; i++) {
        char name[] = {(char)('z' - i % 26), (char)('a' + i / 26), 0};
        struct weights_tensor tensor = vector_of(name, i % 16 + 1, 1);
        assert_int_equal(weights_table_add(weights, &tensor, 4, NULL), STATUS_OK);
    }
    assert_int_equal(weights_table_finish(weights, NULL), STATUS_OK);
    assert_int_equal(weights_count(weights), 300);
    for (unsigned i = 0; i < 300; i++) {
        char name[] = {(char)('z' - i % 26), (char)('a' + i / 26), 0};
        assert_ptr_equal(weights_find(weights, name), weights_at(weights, i));
        assert_int_equal(weights_at(weights, i)->count, i % 16 + 1);
    }
    assert_null(weights_find(weights, "zz"));
    assert_null(weights_find(weights, ""));
    weights_destroy(weights);
    weights_destroy(NULL);
}

static void elements_outside_the_data_are_refused(void **state)
{
    (void)state;
    struct weights_tensor tensor = vector_of("a", 17, 1);
    const char *outside = "tensor 'a': its elements reach outside their storage of 64 bytes";
    assert_refused(&tensor, STATUS_BAD_MODEL, outside);
    tensor = vector_of("a", 4, 6);
    assert_refused(&tensor, STATUS_BAD_MODEL, outside);
    tensor = vector_of("a", 5, UINT64_MAX / 2);
    assert_refused(&tensor, STATUS_BAD_MODEL, outside);
    tensor = vector_of("a", UINT64_MAX, 0);
    assert_refused(&tensor, STATUS_UNSUPPORTED,
                   "tensor 'a': an expanded view, 18446744073709551615 elements that share 16 in "
                   "storage");
    tensor = vector_of("a", 17, 0);
    assert_refused(&tensor, STATUS_UNSUPPORTED,
                   "tensor 'a': an expanded view, 17 elements that share 16 in storage");
}

static void names_are_checked(void **state)
{
    (void)state;
    struct weights_tensor tensor = vector_of("module.", 1, 1);
    assert_refused(&tensor, STATUS_BAD_MODEL, "a tensor has an empty name");
    tensor.name = "a\nb";
    assert_refused(&tensor, STATUS_BAD_MODEL,
                   "tensor 'a?b': the name holds characters that are not printable ASCII");
    char longest[WEIGHTS_TABLE_MAX_NAME_BYTES + 1];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    tensor.name = longest;
    assert_refused(&tensor, STATUS_BAD_MODEL,
                   "tensor 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...': the "
                   "name has 256 bytes, 255 are the limit");
}

static void duplicates_are_refused(void **state)
{
    (void)state;
    struct weights *weights;
    struct error error = {0};
    assert_int_equal(weights_table_create("random", &weights, NULL), STATUS_OK);
    const char *names[] = {"fc.bias", "module.module.fc.weight", "fc.weight"};
    for (int i = 0; i < 3; i++) {
        struct weights_tensor tensor = vector_of(names[i], 1, 1);
        assert_int_equal(weights_table_add(weights, &tensor, 4, NULL), STATUS_OK);
    }
    assert_int_equal(weights_table_finish(weights, &error), STATUS_BAD_MODEL);
    assert_string_equal(error.text, "tensor 'fc.weight' is there twice");
    weights_destroy(weights);
}

static void the_number_of_tensors_is_bounded(void **state)
{
    (void)state;
    struct weights *weights;
    struct error error = {0};
    assert_int_equal(weights_table_create("random", &weights, NULL), STATUS_OK);
    struct weights_tensor tensor = vector_of("a", 1, 1);
    for (int i = 0; i < WEIGHTS_TABLE_MAX_TENSORS; i++)
        assert_int_equal(weights_table_add(weights, &tensor, 4, NULL), STATUS_OK);
    assert_int_equal(weights_table_add(weights, &tensor, 4, &error), STATUS_TOO_LARGE);
    assert_string_equal(error.text, "more than 65536 tensors");
    weights_destroy(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_tensors_are_found_by_name),
        cmocka_unit_test(elements_outside_the_data_are_refused),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(the_number_of_tensors_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
