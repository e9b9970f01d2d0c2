#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/net/architecture.h"

/* A network's name tells its depth: weighted layers of the blocks, the stem and the head. */
static void depth_is_in_the_name(void **state)
{
    (void)state;
    assert_int_equal(architecture_count(), 10);
    for (size_t i = 0; i < architecture_count(); i++) {
        const struct architecture *architecture = architecture_at(i);
        uint32_t layers = 2;
        for (unsigned stage = 0; stage < ARCHITECTURE_STAGES; stage++)
            layers += architecture->blocks[stage] * (architecture->is_bottleneck ? 3 : 2);
        assert_int_equal(layers, atoi(strpbrk(architecture->name, "0123456789")));
    }
}

/* "32x4d" is 32 groups 4 wide; "wide_..._2" is twice ResNet's 64. */
static void groups_and_width_are_in_the_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < architecture_count(); i++) {
        const struct architecture *architecture = architecture_at(i);
        if (strncmp(architecture->name, "resnext", 7) == 0) {
            assert_int_equal(architecture->groups, atoi(strchr(architecture->name, '_') + 1));
            assert_int_equal(architecture->width_per_group,
                             atoi(strrchr(architecture->name, 'x') + 1));
        } else {
            assert_int_equal(architecture->groups, 1);
            assert_int_equal(architecture->width_per_group,
                             strncmp(architecture->name, "wide", 4) ? 64 : 128);
        }
    }
}

static void names_are_found_whole(void **state)
{
    (void)state;
    assert_ptr_equal(architecture_find("resnet18"), architecture_at(0));
    assert_null(architecture_find("resnet1"));
    assert_null(architecture_find("resnet181"));
    assert_null(architecture_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_is_in_the_name),
        cmocka_unit_test(groups_and_width_are_in_the_name),
        cmocka_unit_test(names_are_found_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
