/* The order of a pass's output pixels, against what each of them reads by the definition of a
 * convolution. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/kernels/pixel_order.h"

struct shape {
    uint32_t kernel_px, stride_px, pad_px, height_px, width_px; /* of the input */
};

static uint32_t out_px(const struct shape *shape, uint32_t in_px)
{
    return (in_px + 2 * shape->pad_px - shape->kernel_px) / shape->stride_px + 1;
}

/* Whether tap `tap` of output pixel `at` lies inside a side of `in_px`. */
static bool is_inside(const struct shape *shape, size_t at, uint32_t tap, uint32_t in_px)
{
    int64_t in = (int64_t)at * shape->stride_px + tap - shape->pad_px;
    return in >= 0 && in < in_px;
}

static void check_taps(const struct shape *shape, size_t at, uint32_t first, uint32_t last,
                       uint32_t in_px, bool is_exact)
{
    for (uint32_t tap = 0; tap < shape->kernel_px; tap++) {
        bool is_read = tap >= first && tap < last;
        if (is_exact)
            assert_int_equal(is_read, is_inside(shape, at, tap, in_px));
        else
            assert_true(is_read);
    }
}

/* Each pixel stands in the order once, and its taps are those inside the image, or all. */
static void check_order(const struct pixel_order *order, const struct shape *shape, size_t images,
                        bool is_exact)
{
    size_t height = out_px(shape, shape->height_px), width = out_px(shape, shape->width_px);
    size_t pixels = images * height * width;
    uint8_t *times = calloc(pixels, 1);
    assert_non_null(times);
    for (size_t index = 0; index < pixels;) {
        struct pixel_run run = pixel_order_run(order, index);
        assert_in_range(run.count, 1, width - run.x);
        assert_true(run.image < images && run.y < height);
        check_taps(shape, run.y, run.taps.first_y, run.taps.last_y, shape->height_px, is_exact);
        for (size_t x = run.x; x < run.x + run.count; x++) {
            check_taps(shape, x, run.taps.first_x, run.taps.last_x, shape->width_px, is_exact);
            times[(run.image * height + run.y) * width + x]++;
        }
        /* A strip may begin in the middle of a run. */
        struct pixel_run rest = pixel_order_run(order, index + run.count - 1);
        assert_int_equal(rest.x, run.x + run.count - 1);
        assert_int_equal(rest.y, run.y);
        assert_int_equal(rest.image, run.image);
        assert_int_equal(rest.count, 1);
        index += run.count;
    }
    for (size_t i = 0; i < pixels; i++)
        assert_int_equal(times[i], 1);
    free(times);
}

static void check_shape(const struct shape *shape, size_t images)
{
    struct tensor input = {.height_px = shape->height_px, .width_px = shape->width_px};
    struct tensor output = {.height_px = out_px(shape, shape->height_px),
                            .width_px = out_px(shape, shape->width_px)};
    struct step step = {.input = &input,
                        .output = &output,
                        .kernel_px = shape->kernel_px,
                        .stride_px = shape->stride_px,
                        .pad_px = shape->pad_px};
    struct pixel_order by_taps = pixel_order_by_taps(&step, images);
    check_order(&by_taps, shape, images, true);
    struct pixel_order by_rows = pixel_order_by_rows(&step, images);
    check_order(&by_rows, shape, images, false);
}

static void orders_hold_each_pixel_once_with_its_taps(void **state)
{
    (void)state;
    for (uint32_t kernel = 1; kernel <= 8; kernel++)
        for (uint32_t pad = 0; pad < kernel; pad++)
            for (uint32_t stride = 1; stride <= 3; stride++)
                for (uint32_t px = kernel > 2 * pad ? kernel - 2 * pad : 1; px <= 17; px++)
                    check_shape(&(struct shape){kernel, stride, pad, px, 18 - px + kernel},
                                1 + px % 3);
}

/* The numbers that pixel_order.h gives for a 3x3. */
static void edges_of_a_small_image_leave_out_a_fifth(void **state)
{
    (void)state;
    struct tensor image = {.height_px = 7, .width_px = 7};
    struct step step = {
        .input = &image, .output = &image, .kernel_px = 3, .stride_px = 1, .pad_px = 1};
    struct pixel_order order = pixel_order_by_taps(&step, 8);
    size_t taps = 0;
    for (size_t index = 0; index < (size_t)8 * 7 * 7; index++) {
        struct pixel_run run = pixel_order_run(&order, index);
        taps += (size_t)(run.taps.last_y - run.taps.first_y) * (run.taps.last_x - run.taps.first_x);
    }
    assert_int_equal(taps, 8 * (25 * 9 + 4 * 5 * 6 + 4 * 4)); /* of 8 * 441 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_hold_each_pixel_once_with_its_taps),
        cmocka_unit_test(edges_of_a_small_image_leave_out_a_fifth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
