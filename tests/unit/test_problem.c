#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/problem.h"

static void every_code_is_complete_and_has_its_own_name(void **state)
{
    (void)state;
    for (int code = 0; code < PROBLEM_COUNT; code++) {
        const struct problem_kind *kind = problem_kind((enum problem_code)code);
        assert_non_null(kind->name);
        assert_non_null(kind->title);
        assert_non_null(kind->meaning);
        if (code != PROBLEM_NONE)
            assert_in_range(kind->http_status, 400, 599);
        assert_int_equal(kind->retry_after_s > 0, kind->http_status == 503);
        for (int other = 0; other < code; other++)
            assert_string_not_equal(kind->name, problem_kind((enum problem_code)other)->name);
    }
}

static void the_first_problem_wins(void **state)
{
    (void)state;
    struct problem problem = {0};
    problem_set(&problem, PROBLEM_TOO_LARGE, "%d bytes", 9);
    problem_set(&problem, PROBLEM_INTERNAL, "later");
    assert_int_equal(problem.code, PROBLEM_TOO_LARGE);
    assert_string_equal(problem.detail, "9 bytes");
}

static void every_failure_of_the_model_is_a_problem(void **state)
{
    (void)state;
    for (int status = STATUS_OK; status <= STATUS_INTERNAL; status++) {
        struct problem problem = {0};
        struct error error = {.status = (enum status)status, .text = "why"};
        problem_set_error(&problem, &error);
        assert_int_not_equal(problem.code, PROBLEM_NONE);
        assert_string_equal(problem.detail, "why");
    }
    struct problem problem = {0};
    struct error error = {.status = STATUS_NOT_DECODABLE, .text = ""};
    problem_set_error(&problem, &error);
    assert_int_equal(problem_kind(problem.code)->http_status, 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_complete_and_has_its_own_name),
        cmocka_unit_test(the_first_problem_wins),
        cmocka_unit_test(every_failure_of_the_model_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
