#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/fetch/authorities.h"

static void files_without_a_certificate_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nonexistent.pem", "/dev/null", "/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct error error = {0};
        assert_int_equal(authorities_check_file(paths[i], &error), STATUS_IO);
        assert_ptr_equal(strstr(error.text, paths[i]), error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_without_a_certificate_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
