#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/base/nearest.h"

static struct nearest offered(const char *wanted, const char *name)
{
    struct nearest nearest = {.wanted = wanted};
    nearest_offer(&nearest, name);
    return nearest;
}

static void slips_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *name;
        unsigned distance;
    } cases[] = {
        {"resnet50", "resnet50", 1}, /* the same text begins itself */
        {"resnt50", "resnet50", 1},
        {"ressnet50", "resnet50", 1},
        {"resmet50", "resnet50", 1},
        /* Two neighbours swapped are one slip, not two. */
        {"resnte50", "resnet50", 1},
        {"rsenet05", "resnet50", 2},
        {"vgg16", "vgg19", 1},
        {"kitten", "sitting", 3},
        /* The first letter missing: no beginning, one insertion. */
        {"esnet50", "resnet50", 1},
        /* Optimal string alignment: what was swapped is not edited again, so not 2. */
        {"ca---", "abc---", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nearest nearest = offered(cases[i].wanted, cases[i].name);
        assert_ptr_equal(nearest.name, cases[i].name);
        assert_int_equal(nearest.distance, cases[i].distance);
    }
}

static void too_far_is_not_meant(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *name;
    } cases[] = {
        {"alexnet", "resnet50"},
        {"", "ab"},
        /* One letter more than a third, and one. */
        {"xyz", "abc"},
        {"sitxxxx", "sitting"},
        /* Nothing of it is left: distance and length are the same. */
        {"x", "a"},
        {"", "a"},
        {"a", ""},
        /* One letter is no beginning. */
        {"r", "resnet50"},
        {"resnet50x", "res"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_null(offered(cases[i].wanted, cases[i].name).name);
}

static void third_and_one_may_differ(void **state)
{
    (void)state;
    /* 6 letters: 1 + 6 / 3 = 3 slips; 5 letters: 1 + 5 / 3 = 2. */
    assert_non_null(offered("abcxyz", "abcdef").name);
    assert_null(offered("abwxyz", "abcdef").name);
    assert_non_null(offered("abcxy", "abcde").name);
    assert_null(offered("abxyz", "abcde").name);
}

static void beginning_is_near_however_long_the_rest(void **state)
{
    (void)state;
    assert_string_equal(offered("mo", "mobilenet_v3_large").name, "mobilenet_v3_large");
    assert_int_equal(offered("mo", "mobilenet_v3_large").distance, 1);
    assert_null(offered("ob", "mobilenet_v3_large").name);
}

static void nearest_wins_and_the_first_of_equals(void **state)
{
    (void)state;
    struct nearest nearest = {.wanted = "resnet5"};
    nearest_offer(&nearest, "alexnet");
    assert_null(nearest.name);
    /* An x, a 1 for the 5, and two more digits. */
    nearest_offer(&nearest, "resnext101");
    assert_int_equal(nearest.distance, 4);
    nearest_offer(&nearest, "sesnet55");
    assert_string_equal(nearest.name, "sesnet55");
    assert_int_equal(nearest.distance, 2);
    nearest_offer(&nearest, "resnet18");
    assert_string_equal(nearest.name, "sesnet55");
    nearest_offer(&nearest, "resnet50");
    assert_string_equal(nearest.name, "resnet50");
    assert_int_equal(nearest.distance, 1);
    nearest_offer(&nearest, "resnet51");
    assert_string_equal(nearest.name, "resnet50");
    nearest_offer(&nearest, "alexnet");
    assert_string_equal(nearest.name, "resnet50");
}

static void longest_names_are_compared_longer_ones_are_not(void **state)
{
    (void)state;
    char wanted[65], name[65];
    memset(wanted, 'a', sizeof wanted);
    memset(name, 'a', sizeof name);
    wanted[63] = name[63] = 0;
    wanted[0] = 'b';
    assert_int_equal(offered(wanted, name).distance, 1);
    assert_ptr_equal(offered(wanted, name).name, name);
    name[63] = 'a';
    name[64] = 0;
    assert_null(offered(wanted, name).name);
    assert_null(offered(name, wanted).name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_are_counted),
        cmocka_unit_test(too_far_is_not_meant),
        cmocka_unit_test(third_and_one_may_differ),
        cmocka_unit_test(beginning_is_near_however_long_the_rest),
        cmocka_unit_test(nearest_wins_and_the_first_of_equals),
        cmocka_unit_test(longest_names_are_compared_longer_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
