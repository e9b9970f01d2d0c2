#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "server/api/parameters.h"

static void expect_problem(const char *name, const char *value, const char *detail)
{
    struct parameters parameters = {0};
    struct problem problem = {0};
    assert_false(parameters_set_text(&parameters, name, value, &problem));
    assert_int_equal(problem.code, PROBLEM_BAD_REQUEST);
    assert_string_equal(problem.detail, detail);
}

static void values_as_text(void **state)
{
    (void)state;
    struct parameters parameters = {0};
    struct problem problem = {0};
    assert_true(parameters_set_text(&parameters, "top_k", "7", &problem));
    assert_true(parameters_set_text(&parameters, "min_probability", "0.25", &problem));
    assert_true(parameters_set_text(&parameters, "model", "resnet50:V1", &problem));
    assert_true(parameters.has_top_k && parameters.has_min_probability && parameters.has_model);
    assert_int_equal(parameters.top_k, 7);
    assert_true(parameters.min_probability == 0.25F);
    assert_string_equal(parameters.model, "resnet50:V1");
    assert_true(parameters_set_text(&(struct parameters){0}, "min_probability", "1e-3", &problem));
    assert_true(parameters_has_name("top_k"));
    assert_false(parameters_has_name("url"));
}

static void values_out_of_range(void **state)
{
    (void)state;
    const char range[] = "; it must be from 1 to the number of the model's classes";
    char detail[128] = "top_k is 0";
    expect_problem("top_k", "0", strcat(detail, range));
    strcpy(detail, "top_k is -3");
    expect_problem("top_k", "-3", strcat(detail, range));
    strcpy(detail, "top_k is 4294967296");
    expect_problem("top_k", "4294967296", strcat(detail, range));
    expect_problem("min_probability", "-0.1", "min_probability is -0.1; it must be from 0 to 1");
    expect_problem("min_probability", "50", "min_probability is 50; it must be from 0 to 1");
    struct problem problem = {0};
    assert_false(parameters_set_min_probability(&(struct parameters){0}, (double)NAN, &problem));
}

static void values_that_are_none(void **state)
{
    (void)state;
    static const char *const numbers[] = {"",    "five", " 5",  "+5", "5 ",
                                          "0x5", "5.0",  "1e2", "-",  "99999999999999999999"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct problem problem = {0};
        assert_false(parameters_set_text(&(struct parameters){0}, "top_k", numbers[i], &problem));
        assert_int_equal(problem.code, PROBLEM_BAD_REQUEST);
    }
    static const char *const fractions[] = {"", "inf", "nan", "0x1p-1", ".5.", "0,5", "1%"};
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
        struct problem problem = {0};
        assert_false(parameters_set_text(&(struct parameters){0}, "min_probability", fractions[i],
                                         &problem));
        assert_int_equal(problem.code, PROBLEM_BAD_REQUEST);
    }
    expect_problem("top_k", "five", "top_k must be a whole number, not \"five\"");
    expect_problem("min_probability", "half", "min_probability must be a number, not \"half\"");
    expect_problem("model", "", "model must be a name of 1 to 128 bytes");
}

static void twice_is_the_same_or_refused(void **state)
{
    (void)state;
    struct parameters parameters = {0};
    struct problem problem = {0};
    assert_true(parameters_set_text(&parameters, "top_k", "3", &problem));
    assert_true(parameters_set_top_k(&parameters, 3, &problem));
    assert_true(parameters_set_text(&parameters, "min_probability", "0.1", &problem));
    assert_true(parameters_set_min_probability(&parameters, 0.1, &problem));
    assert_true(parameters_set_model(&parameters, "a", &problem));
    assert_true(parameters_set_model(&parameters, "a", &problem));
    assert_false(parameters_set_top_k(&parameters, 4, &problem));
    assert_string_equal(problem.detail, "top_k is given twice, with different values");
    problem = (struct problem){0};
    assert_false(parameters_set_min_probability(&parameters, 0.2, &problem));
    assert_string_equal(problem.detail, "min_probability is given twice, with different values");
    problem = (struct problem){0};
    assert_false(parameters_set_model(&parameters, "b", &problem));
    assert_string_equal(problem.detail, "model is given twice, with different values");
}

static void unknown_names_are_told_the_nearest(void **state)
{
    (void)state;
    static const char *const others[] = {"url", "urls", NULL};
    struct problem problem = {0};
    parameters_refuse_name("topk", "field", others, &problem);
    assert_string_equal(problem.detail, "no field \"topk\"; did you mean top_k?");
    problem = (struct problem){0};
    parameters_refuse_name("uri", "parameter", others, &problem);
    assert_string_equal(problem.detail, "no parameter \"uri\"; did you mean url?");
    problem = (struct problem){0};
    parameters_refuse_name("colour", "parameter", others, &problem);
    assert_string_equal(problem.detail,
                        "no parameter \"colour\"; there are url, top_k, min_probability and model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_as_text),
        cmocka_unit_test(values_out_of_range),
        cmocka_unit_test(values_that_are_none),
        cmocka_unit_test(twice_is_the_same_or_refused),
        cmocka_unit_test(unknown_names_are_told_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
