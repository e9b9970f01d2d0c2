/* The arithmetic is compared with torchvision in tests/golden/test_preprocess.py; here are the
 * edges that it does not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/image/resize.h"

static void check_resize(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t resize_px,
                         uint32_t crop_px, uint8_t *crop)
{
    const struct resize_options options = {width, height, 1, resize_px, crop_px, NULL};
    struct image_window window;
    struct resize *resize = NULL;
    struct error error = {0};
    assert_int_equal(resize_create(&options, crop, &window, &resize, &error), STATUS_OK);
    assert_true(window.x_px + window.width_px <= width && window.y_px + window.height_px <= height);
    resize_put(resize, pixels + 3 * ((size_t)window.y_px * width + window.x_px), 3 * (size_t)width,
               window.height_px);
    resize_destroy(resize);
}

static void one_pixel_fills_the_crop(void **state)
{
    (void)state;
    const uint8_t pixel[] = {10, 20, 255};
    uint8_t crop[5 * 5 * 3];
    check_resize(pixel, 1, 1, 9, 5, crop);
    for (size_t i = 0; i < sizeof crop; i++)
        assert_int_equal(crop[i], pixel[i % 3]);
}

static void the_same_size_is_a_copy(void **state)
{
    (void)state;
    uint8_t pixels[4 * 4 * 3], crop[sizeof pixels];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(37 * i);
    check_resize(pixels, 4, 4, 4, 4, crop);
    assert_memory_equal(crop, pixels, sizeof crop);
}

/* Five of six rows are cut away: the offset 2.5 goes to 2; 1.5 goes to 2, and 0.5 to 0. */
static void offsets_round_half_to_even(void **state)
{
    (void)state;
    uint8_t pixels[7 * 3], crop[3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(10 * (i / 3));
    check_resize(pixels, 1, 6, 1, 1, crop);
    assert_int_equal(crop[0], 20);
    check_resize(pixels, 4, 1, 1, 1, crop);
    assert_int_equal(crop[0], 20);
    check_resize(pixels, 2, 1, 1, 1, crop);
    assert_int_equal(crop[0], 0);
}

static void smaller_images_stand_in_black(void **state)
{
    (void)state;
    const uint8_t pixel[] = {200, 200, 200};
    uint8_t crop[4 * 4 * 3];
    memset(crop, 77, sizeof crop);
    check_resize(pixel, 1, 1, 1, 4, crop);
    for (size_t i = 0; i < sizeof crop; i++)
        assert_int_equal(crop[i], i / 3 == 1 * 4 + 1 ? 200 : 0);
}

/* The whole resized image would not fit any memory. */
static void only_the_crop_is_computed(void **state)
{
    (void)state;
    uint8_t pixels[3 * 100], crop[8 * 8 * 3];
    memset(pixels, 50, sizeof pixels);
    check_resize(pixels, 1, 100, UINT32_MAX, 8, crop);
    for (size_t i = 0; i < sizeof crop; i++)
        assert_int_equal(crop[i], 50);
}

static uint8_t *noise(size_t bytes)
{
    uint8_t *all = malloc(bytes);
    uint64_t state = 88172645463325252U; /* xorshift64 (Marsaglia 2003) */
    assert_non_null(all);
    for (size_t i = 0; i < bytes; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        /* Black and white weigh most: half of the bytes are. */
        all[i] = state >> 63 ? (uint8_t)(state >> 32) : state >> 62 & 1 ? 255 : 0;
    }
    return all;
}

/* Into a crop between canaries; each window row in memory of its own size, for the sanitizer. */
static void resize_noise(const struct resize_options *options, const uint8_t *pixels, uint8_t *crop)
{
    struct image_window window;
    struct resize *resize = NULL;
    size_t bytes = 3 * (size_t)options->crop_px * options->crop_px;
    memset(crop, 77, bytes + 32);
    assert_int_equal(resize_create(options, crop + 16, &window, &resize, NULL), STATUS_OK);
    for (uint32_t y = 0; y < window.height_px; y++) {
        size_t row_bytes = 3 * (size_t)window.width_px;
        uint8_t *row = malloc(row_bytes);
        assert_non_null(row);
        memcpy(row, pixels + 3 * ((size_t)(window.y_px + y) * options->width_px + window.x_px),
               row_bytes);
        resize_put(resize, row, row_bytes, 1);
        free(row);
    }
    resize_destroy(resize);
    for (size_t i = 0; i < 16; i++)
        assert_true(crop[i] == 77 && crop[16 + bytes + i] == 77);
}

static void every_kernel_gives_the_same_bits(void **state)
{
    (void)state;
    static const uint32_t cases[][4] = {
        {500, 375, 232, 224}, {375, 500, 256, 224}, {61, 40, 40, 32},  {40, 61, 33, 64},
        {17, 33, 200, 224},   {900, 7, 40, 32},     {7, 900, 7, 30},   {1, 1, 1, 3},
        {639, 427, 40, 37},   {1000, 800, 9, 8},    {300, 200, 1, 1},  {64, 48, 46, 46},
        {2, 3, 5, 9},         {333, 222, 222, 221}, {123, 97, 31, 30}, {801, 600, 50, 49},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned orientation = 1; orientation <= 8; orientation++) {
            struct resize_options options = {cases[i][0], cases[i][1], orientation,
                                             cases[i][2], cases[i][3], resize_kernel_at(0)};
            size_t bytes = 3 * (size_t)options.crop_px * options.crop_px + 32;
            uint8_t *pixels = noise(3 * (size_t)options.width_px * options.height_px);
            uint8_t *plain = malloc(bytes), *other = malloc(bytes);
            assert_true(plain && other);
            resize_noise(&options, pixels, plain);
            for (size_t k = 1; resize_kernel_at(k); k++) {
                options.kernel = resize_kernel_at(k);
                if (!options.kernel->is_supported())
                    continue;
                resize_noise(&options, pixels, other);
                if (memcmp(plain, other, bytes) != 0)
                    fail_msg("%s differs, case %zu, orientation %u", options.kernel->name, i,
                             orientation);
            }
            free(pixels);
            free(plain);
            free(other);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pixel_fills_the_crop),
        cmocka_unit_test(the_same_size_is_a_copy),
        cmocka_unit_test(offsets_round_half_to_even),
        cmocka_unit_test(smaller_images_stand_in_black),
        cmocka_unit_test(only_the_crop_is_computed),
        cmocka_unit_test(every_kernel_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
