#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/blob.h"

static struct span text(const char *bytes)
{
    return (struct span){(const uint8_t *)bytes, strlen(bytes)};
}

static void grows_and_holds_what_came(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = 1 << 20};
    struct error error = {0};
    struct blob *blob;
    assert_int_equal(blob_create(&budget, 0, &blob, &error), STATUS_OK);
    char expected[60000];
    for (size_t i = 0; i < sizeof expected; i += 6) {
        assert_int_equal(blob_append(blob, text("abcdef"), 60000, &error), STATUS_OK);
        memcpy(expected + i, "abcdef", 6);
    }
    assert_int_equal(blob_bytes(blob).size, sizeof expected);
    assert_memory_equal(blob_bytes(blob).data, expected, sizeof expected);
    assert_true(budget_used(&budget) >= 60000);
    assert_int_equal(blob_append(blob, text("g"), 60000, &error), STATUS_TOO_LARGE);
    blob_release(blob);
    assert_int_equal(budget_used(&budget), 0);
}

static void keeps_its_charge_until_the_last_reference_goes(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = 100};
    struct error error = {0};
    struct blob *blob;
    assert_int_equal(blob_create(&budget, 70, &blob, &error), STATUS_OK);
    assert_ptr_equal(blob_retain(blob), blob);
    blob_release(blob);
    assert_int_equal(budget_used(&budget), 70);
    struct blob *second;
    assert_int_equal(blob_create(&budget, 31, &second, &error), STATUS_OVERLOADED);
    blob_release(blob);
    assert_int_equal(budget_used(&budget), 0);
    blob_release(NULL);
}

static void a_refused_growth_leaves_the_content(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = 4};
    struct error error = {0};
    struct blob *blob;
    assert_int_equal(blob_create(&budget, 4, &blob, &error), STATUS_OK);
    assert_int_equal(blob_append(blob, text("abcd"), 100, &error), STATUS_OK);
    assert_int_equal(blob_append(blob, text("e"), 100, &error), STATUS_OVERLOADED);
    assert_int_equal(blob_bytes(blob).size, 4);
    assert_memory_equal(blob_bytes(blob).data, "abcd", 4);
    blob_release(blob);
    assert_int_equal(budget_used(&budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_holds_what_came),
        cmocka_unit_test(keeps_its_charge_until_the_last_reference_goes),
        cmocka_unit_test(a_refused_growth_leaves_the_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
