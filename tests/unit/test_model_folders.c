#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "server/commands/model_folders.h"

static const char *const variables[] = {"CLASSIFYD_MODEL_DIRS", "XDG_DATA_HOME", "TORCH_HOME",
                                        "HOME"};
enum { VARIABLES = sizeof variables / sizeof *variables };

/* What the list is in an environment of these four, NULL for unset. */
static void expect_list(const char *option, const char *const values[VARIABLES],
                        const char *expected)
{
    for (size_t i = 0; i < VARIABLES; i++)
        assert_int_equal(values[i] ? setenv(variables[i], values[i], 1) : unsetenv(variables[i]),
                         0);
    char *list = model_folders_list(option);
    assert_non_null(list);
    assert_string_equal(list, expected);
    free(list);
}

static void home_holds_both_folders(void **state)
{
    (void)state;
    expect_list(NULL, (const char *[]){NULL, NULL, NULL, "/users/u"},
                "/users/u/.local/share/classifyd/models:/users/u/.cache/torch/hub/checkpoints:"
                "/usr/local/share/classifyd/models");
}

static void variables_move_them(void **state)
{
    (void)state;
    expect_list(NULL, (const char *[]){NULL, "/data", NULL, "/users/u"},
                "/data/classifyd/models:/users/u/.cache/torch/hub/checkpoints:"
                "/usr/local/share/classifyd/models");
    expect_list(NULL, (const char *[]){NULL, NULL, "/torch", "/users/u"},
                "/users/u/.local/share/classifyd/models:/torch/hub/checkpoints:"
                "/usr/local/share/classifyd/models");
    expect_list(NULL, (const char *[]){NULL, "/data", "/torch", NULL},
                "/data/classifyd/models:/torch/hub/checkpoints:/usr/local/share/classifyd/models");
}

static void empty_variables_are_unset_ones(void **state)
{
    (void)state;
    expect_list(NULL, (const char *[]){"", "", "", "/users/u"},
                "/users/u/.local/share/classifyd/models:/users/u/.cache/torch/hub/checkpoints:"
                "/usr/local/share/classifyd/models");
    expect_list(NULL, (const char *[]){NULL, "/data", "/torch", ""},
                "/data/classifyd/models:/torch/hub/checkpoints:/usr/local/share/classifyd/models");
}

static void option_comes_before_variable_before_home(void **state)
{
    (void)state;
    expect_list("/a:b", (const char *[]){"/c:/d", "/data", "/torch", "/users/u"}, "/a:b");
    expect_list(NULL, (const char *[]){"/c:/d", "/data", "/torch", "/users/u"}, "/c:/d");
    /* An option is taken as it is, an empty one for no folders. */
    expect_list("", (const char *[]){"/c:/d", "/data", "/torch", "/users/u"}, "");
}

static void expect_first(const char *folders, const char *expected)
{
    char *first = model_folders_first(folders);
    assert_non_null(first);
    assert_string_equal(first, expected);
    free(first);
}

static void first_ends_at_the_colon(void **state)
{
    (void)state;
    expect_first("/a/b:/c:/d", "/a/b");
    expect_first("/a", "/a");
    expect_first("", "");
    expect_first(":/c", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(home_holds_both_folders),
        cmocka_unit_test(variables_move_them),
        cmocka_unit_test(empty_variables_are_unset_ones),
        cmocka_unit_test(option_comes_before_variable_before_home),
        cmocka_unit_test(first_ends_at_the_colon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
