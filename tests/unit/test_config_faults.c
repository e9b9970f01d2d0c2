#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/config/config_faults.h"

static void assert_text(const struct config_faults *faults, const char *expected)
{
    struct error error = {0};
    assert_int_equal(config_faults_finish(faults, &error), STATUS_BAD_REQUEST);
    assert_string_equal(error.text, expected);
}

static void no_fault_is_ok(void **state)
{
    (void)state;
    struct config_faults faults = {0};
    struct error error = {0};
    assert_int_equal(config_faults_finish(&faults, &error), STATUS_OK);
    assert_int_equal(error.status, STATUS_OK);
}

static void each_has_its_line(void **state)
{
    (void)state;
    struct config_faults faults = {0};
    config_faults_add(&faults, "a:%d: b", 1);
    assert_text(&faults, "a:1: b");
    config_faults_add(&faults, "c\n:\x7f\x01");
    assert_text(&faults, "a:1: b\nc?:??");
    config_faults_add_unknown(&faults, "x:3", "server.prot");
    config_faults_add_unknown(&faults, "x:4", "zzz");
    assert_text(&faults, "a:1: b\nc?:??\nx:3: server.prot: unknown option; did you mean "
                         "server.port?\nx:4: zzz: unknown option");
    assert_false(config_faults_is_full(&faults));
}

static void what_has_no_room_is_counted(void **state)
{
    (void)state;
    struct config_faults faults = {0};
    char line[101], expected[512];
    memset(line, 'x', sizeof line - 1);
    line[100] = '\0';
    for (int i = 0; i < 4; i++)
        config_faults_add(&faults, "%s", line);
    assert_false(config_faults_is_full(&faults));
    config_faults_add(&faults, "%s", line);
    assert_true(config_faults_is_full(&faults));
    (void)snprintf(expected, sizeof expected, "%s\n%s\n%s\n%s\nand 1 more fault", line, line, line,
                   line);
    assert_text(&faults, expected);
    config_faults_add(&faults, "short"); /* never in front of one that was left out */
    (void)snprintf(expected, sizeof expected, "%s\n%s\n%s\n%s\nand 2 more faults", line, line, line,
                   line);
    assert_text(&faults, expected);
}

static void the_first_is_told_even_where_it_is_too_long(void **state)
{
    (void)state;
    struct config_faults faults = {0};
    struct error error = {0};
    char line[2000];
    memset(line, 'y', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    config_faults_add(&faults, "%s", line);
    config_faults_add(&faults, "%s", line);
    assert_int_equal(config_faults_finish(&faults, &error), STATUS_BAD_REQUEST);
    size_t length = strspn(error.text, "y");
    assert_in_range(length, 400, 500);
    assert_string_equal(error.text + length, "\nand 1 more fault");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_is_ok),
        cmocka_unit_test(each_has_its_line),
        cmocka_unit_test(what_has_no_room_is_counted),
        cmocka_unit_test(the_first_is_told_even_where_it_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
