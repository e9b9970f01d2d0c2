#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/base/status.h"

static void first_error_wins(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, STATUS_TOO_LARGE, "%d bytes", 12), STATUS_TOO_LARGE);
    assert_int_equal(error_set(&error, STATUS_IO, "later"), STATUS_IO);
    assert_int_equal(error.status, STATUS_TOO_LARGE);
    assert_string_equal(error.text, "12 bytes");
}

static void prefix_goes_before_and_fits(void **state)
{
    (void)state;
    struct error error = {0};
    error_prefix(&error, "nothing");
    assert_string_equal(error.text, "");
    (void)error_set(&error, STATUS_BAD_MODEL, "%0600d", 7);
    error_prefix(&error, "%s", "a.pth");
    assert_memory_equal(error.text, "a.pth: 000", 10);
    assert_int_equal(error.text[sizeof error.text - 1], 0);
}

static void every_status_has_a_code(void **state)
{
    (void)state;
    for (int status = STATUS_OK; status <= STATUS_INTERNAL; status++)
        assert_non_null(status_code((enum status)status));
    assert_string_equal(status_code(STATUS_NOT_DECODABLE), "not_decodable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins),
        cmocka_unit_test(prefix_goes_before_and_fits),
        cmocka_unit_test(every_status_has_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
