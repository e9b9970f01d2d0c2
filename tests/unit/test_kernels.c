#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/kernels/kernels.h"

static const struct kernel_set *choose(const char *name)
{
    const struct kernel_set *set = NULL;
    struct error error = {0};
    if (kernels_choose(name, &set, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return set;
}

static void the_environment_is_set_once_for_the_library(void **state)
{
    (void)state;
    assert_string_equal(getenv("OPENBLAS_NUM_THREADS"), "1");
}

static void auto_is_the_best_that_opens(void **state)
{
    (void)state;
    assert_ptr_equal(choose(NULL), choose("auto"));
    const struct kernel_set *set = NULL;
    size_t best = 0;
    while (kernels_choose(kernels_name(best), &set, NULL) != STATUS_OK)
        best++;
    assert_ptr_equal(choose("auto"), set);
    assert_ptr_not_equal(choose("generic"), choose("blas"));
    assert_int_equal(strncmp(kernels_description(choose("blas")), "OpenBLAS ", 9), 0);
    assert_string_equal(kernels_description(choose("generic")), "plain C");
}

static struct tensor matrix(uint32_t side_px, uint32_t channels, size_t pixels)
{
    return (struct tensor){.type = TENSOR_F32,
                           .height_px = side_px,
                           .width_px = side_px,
                           .channels = channels,
                           .scale = 1.0f,
                           .pixel_stride = channels,
                           .row_stride = (size_t)side_px * channels,
                           .image_stride = pixels * channels};
}

static bool has_kernel_for(const struct kernel_set *set, enum step_op op)
{
    struct tensor vector = matrix(1, 8, 1);
    const struct step step = {
        .op = op, .input = &vector, .output = &vector, .kernel_px = 1, .stride_px = 1, .groups = 1};
    for (size_t i = 0; set->kernels[i]; i++)
        if (set->kernels[i]->supports(&step))
            return true;
    return false;
}

static void generic_has_every_kind_of_step(void **state)
{
    (void)state;
    const struct kernel_set *generic = choose("generic");
    for (int op = 0; op < STEP_OP_COUNT; op++)
        assert_true(has_kernel_for(generic, (enum step_op)op));
}

static const struct kernel *kernel_for(const struct tensor *tensor)
{
    const struct step step = {.op = STEP_CONV,
                              .input = tensor,
                              .output = tensor,
                              .kernel_px = 3,
                              .stride_px = 1,
                              .pad_px = 1,
                              .groups = 1};
    return kernels_for_step(choose("blas"), &step);
}

/* What a set does not support falls to generic: unpadded images, a halo, products that are too
 * small. */
static void steps_fall_back_to_generic(void **state)
{
    (void)state;
    struct tensor padded = matrix(14, 64, 204), unpadded = matrix(14, 64, 196),
                  tiny = matrix(2, 8, 12);
    struct tensor with_halo = padded;
    with_halo.halo_px = 1;
    assert_string_equal(kernel_for(&padded)->name, "conv_f32_gemm_blas");
    assert_string_equal(kernel_for(&unpadded)->name, "conv_f32_generic");
    assert_string_equal(kernel_for(&with_halo)->name, "conv_f32_generic");
    assert_string_equal(kernel_for(&tiny)->name, "conv_f32_generic");
    const struct step pool = {.op = STEP_MAX_POOL, .input = &padded, .output = &padded};
    assert_string_equal(kernels_for_step(choose("blas"), &pool)->name, "max_pool_generic");
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_is_set_once_for_the_library),
        cmocka_unit_test(auto_is_the_best_that_opens),
        cmocka_unit_test(generic_has_every_kind_of_step),
        cmocka_unit_test(steps_fall_back_to_generic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
