#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/kernels/blas/openblas.h"

static void cores_follow_the_cpu(void **state)
{
    (void)state;
    const struct cpu_features server = {
        .is_x86 = true, .has_avx = true, .has_avx2_fma = true, .has_avx512 = true};
    const struct cpu_features ryzen = {
        .is_x86 = true, .is_amd = true, .has_avx = true, .has_avx2_fma = true};
    const struct cpu_features laptop = {.is_x86 = true, .has_avx = true, .has_avx2_fma = true};
    const struct cpu_features old = {.is_x86 = true}, other = {0};
    assert_string_equal(openblas_core_type(&server), "SkylakeX");
    assert_string_equal(openblas_core_type(&ryzen), "Zen");
    assert_string_equal(openblas_core_type(&laptop), "Haswell");
    assert_null(openblas_core_type(&old));
    assert_null(openblas_core_type(&other));
}

static void the_users_core_is_left_alone(void **state)
{
    (void)state;
    setenv("OPENBLAS_CORETYPE", "Nehalem", 1);
    setenv("OPENBLAS_NUM_THREADS", "7", 1);
    openblas_prepare_environment();
    assert_string_equal(getenv("OPENBLAS_CORETYPE"), "Nehalem");
    assert_string_equal(getenv("OPENBLAS_NUM_THREADS"), "1");
}

/* Loaded after the environment says Nehalem, so that is what must run. */
static void the_library_runs_what_it_was_told(void **state)
{
    (void)state;
    struct error error = {0};
    if (openblas_open(&error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(strncmp(openblas_description(), "OpenBLAS 0.", 11), 0);
    struct cpu_features features = cpu_probe();
    if (features.is_x86)
        assert_non_null(strstr(openblas_description(), "core Nehalem"));
}

static void products_are_added_or_written(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3, 4, 5, 6};  /* [2, 3] */
    const float b[] = {1, 0, 1, 0, 2, -1}; /* [2, 3], transposed in the product */
    float c[] = {100, 100, 100, 100};
    openblas_sgemm(2, 2, 3, a, 3, b, 3, false, c, 2);
    const float product[] = {4, 1, 10, 4};
    assert_memory_equal(c, product, sizeof c);
    openblas_sgemm(2, 2, 3, a, 3, b, 3, true, c, 2);
    const float twice[] = {8, 2, 20, 8};
    assert_memory_equal(c, twice, sizeof c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cores_follow_the_cpu),
        cmocka_unit_test(the_users_core_is_left_alone),
        cmocka_unit_test(the_library_runs_what_it_was_told),
        cmocka_unit_test(products_are_added_or_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
