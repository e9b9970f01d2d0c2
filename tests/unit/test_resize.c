/* The arithmetic is compared with torchvision in tests/golden/test_preprocess.py; here are the
 * edges that it does not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/image/resize.h"

static struct image_view view_of(const uint8_t *pixels, uint32_t width, uint32_t height)
{
    return (struct image_view){pixels, 3, 3 * (ptrdiff_t)width, width, height};
}

static void one_pixel_fills_the_crop(void **state)
{
    (void)state;
    const uint8_t pixel[] = {10, 20, 255};
    struct image_view view = view_of(pixel, 1, 1);
    uint8_t crop[5 * 5 * 3];
    struct error error = {0};
    assert_int_equal(resize_crop(&view, 9, 5, crop, &error), STATUS_OK);
    for (size_t i = 0; i < sizeof crop; i++)
        assert_int_equal(crop[i], pixel[i % 3]);
}

static void the_same_size_is_a_copy(void **state)
{
    (void)state;
    uint8_t pixels[4 * 4 * 3], crop[sizeof pixels];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(37 * i);
    struct image_view view = view_of(pixels, 4, 4);
    struct error error = {0};
    assert_int_equal(resize_crop(&view, 4, 4, crop, &error), STATUS_OK);
    assert_memory_equal(crop, pixels, sizeof crop);
}

/* Five of six rows are cut away: the offset 2.5 goes to 2; 1.5 goes to 2, and 0.5 to 0. */
static void offsets_round_half_to_even(void **state)
{
    (void)state;
    uint8_t pixels[7 * 3], crop[3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(10 * (i / 3));
    struct error error = {0};
    struct image_view six = view_of(pixels, 1, 6), four = view_of(pixels, 4, 1),
                      two = view_of(pixels, 2, 1);
    assert_int_equal(resize_crop(&six, 1, 1, crop, &error), STATUS_OK);
    assert_int_equal(crop[0], 20);
    assert_int_equal(resize_crop(&four, 1, 1, crop, &error), STATUS_OK);
    assert_int_equal(crop[0], 20);
    assert_int_equal(resize_crop(&two, 1, 1, crop, &error), STATUS_OK);
    assert_int_equal(crop[0], 0);
}

static void smaller_images_stand_in_black(void **state)
{
    (void)state;
    const uint8_t pixel[] = {200, 200, 200};
    struct image_view view = view_of(pixel, 1, 1);
    uint8_t crop[4 * 4 * 3];
    memset(crop, 77, sizeof crop);
    struct error error = {0};
    assert_int_equal(resize_crop(&view, 1, 4, crop, &error), STATUS_OK);
    for (size_t i = 0; i < sizeof crop; i++)
        assert_int_equal(crop[i], i / 3 == 1 * 4 + 1 ? 200 : 0);
}

/* The whole resized image would not fit any memory. */
static void only_the_crop_is_computed(void **state)
{
    (void)state;
    uint8_t pixels[3 * 100], crop[8 * 8 * 3];
    memset(pixels, 50, sizeof pixels);
    struct image_view view = view_of(pixels, 1, 100);
    struct error error = {0};
    assert_int_equal(resize_crop(&view, UINT32_MAX, 8, crop, &error), STATUS_OK);
    for (size_t i = 0; i < sizeof crop; i++)
        assert_int_equal(crop[i], 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pixel_fills_the_crop),
        cmocka_unit_test(the_same_size_is_a_copy),
        cmocka_unit_test(offsets_round_half_to_even),
        cmocka_unit_test(smaller_images_stand_in_black),
        cmocka_unit_test(only_the_crop_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
