#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/kernels/blas/gemm_cut.h"

static struct gemm_cut cut_for(uint32_t side_px, uint32_t channels, size_t columns)
{
    size_t pixels = ((size_t)side_px * side_px + GEMM_CUT_ROWS - 1) / GEMM_CUT_ROWS * GEMM_CUT_ROWS;
    struct tensor output = {.height_px = side_px,
                            .width_px = side_px,
                            .channels = channels,
                            .pixel_stride = channels,
                            .image_stride = pixels * channels};
    struct step step = {.output = &output};
    return gemm_cut_make(&step, columns, 0);
}

/* Every row and block once, in order, strips of whole groups of rows, none longer than promised. */
static void units_cover_the_matrix(void **state)
{
    (void)state;
    for (uint32_t side = 1; side < 60; side += 3)
        for (uint32_t channels = 1; channels < 3000; channels = channels * 3 + 5)
            for (size_t images = 1; images <= 9; images += 2) {
                struct gemm_cut cut = cut_for(side, channels, 576);
                size_t units = gemm_cut_units(&cut, images), next_row = 0;
                assert_true((cut.blocks - 1) * cut.block_channels < channels);
                assert_true(cut.blocks * cut.block_channels >= channels);
                for (size_t i = 0; i < units; i++) {
                    struct gemm_cut_unit unit = gemm_cut_unit(&cut, images, i);
                    assert_int_equal(unit.block, i % cut.blocks);
                    assert_int_equal(unit.first_row, next_row);
                    assert_int_equal(unit.rows % GEMM_CUT_ROWS, 0);
                    assert_in_range(unit.rows, 1, cut.strip_rows);
                    if (unit.block + 1 == cut.blocks)
                        next_row += unit.rows;
                }
                assert_int_equal(next_row, images * cut.image_rows);
            }
}

/* What is called steady never makes a product small enough for OpenBLAS's other kernels. */
static void steady_cuts_make_no_small_products(void **state)
{
    (void)state;
    unsigned steady = 0, unsteady = 0;
    for (uint32_t side = 1; side < 40; side++)
        for (uint32_t channels = 4; channels < 600; channels = channels * 2 + 1) {
            struct gemm_cut cut = cut_for(side, channels, 288);
            steady += gemm_cut_is_steady(&cut);
            unsteady += !gemm_cut_is_steady(&cut);
            for (size_t images = 1; images <= 16 && gemm_cut_is_steady(&cut); images++)
                for (size_t i = 0; i < gemm_cut_units(&cut, images); i++) {
                    struct gemm_cut_unit unit = gemm_cut_unit(&cut, images, i);
                    size_t first = unit.block * cut.block_channels, left = channels - first;
                    assert_true(
                        unit.rows * (left < cut.block_channels ? left : cut.block_channels) > 1200);
                }
        }
    assert_true(steady > 0 && unsteady > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_cover_the_matrix),
        cmocka_unit_test(steady_cuts_make_no_small_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
