#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/image/image.h"

static const struct image_limits limits = {100, 1000};

static enum status check(uint64_t width, uint64_t height)
{
    struct error error = {0};
    enum status status = image_check_limits(width, height, &limits, &error);
    assert_int_equal(error.status, status);
    return status;
}

static void limits_are_inclusive(void **state)
{
    (void)state;
    assert_int_equal(check(100, 10), STATUS_OK);
    assert_int_equal(check(101, 1), STATUS_TOO_LARGE);
    assert_int_equal(check(1, 101), STATUS_TOO_LARGE);
    assert_int_equal(check(100, 11), STATUS_TOO_LARGE);
    assert_int_equal(check(UINT64_MAX, UINT64_MAX), STATUS_TOO_LARGE);
}

static void no_pixels_are_no_image(void **state)
{
    (void)state;
    assert_int_equal(check(0, 5), STATUS_NOT_DECODABLE);
    assert_int_equal(check(5, 0), STATUS_NOT_DECODABLE);
}

static void pixels_are_black_and_freed_once(void **state)
{
    (void)state;
    struct image image;
    struct error error = {0};
    assert_int_equal(image_init(3, 2, &image, &error), STATUS_OK);
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(image.pixels[i], 0);
    image_fini(&image);
    image_fini(&image);
    assert_null(image.pixels);
}

static void a_size_beyond_memory_is_an_error(void **state)
{
    (void)state;
    struct image image = {7, 7, NULL};
    struct error error = {0};
    assert_int_equal(image_init(UINT32_MAX, UINT32_MAX, &image, &error), STATUS_NO_MEMORY);
    assert_int_equal(error.status, STATUS_NO_MEMORY);
    assert_int_equal(image.width_px, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_inclusive),
        cmocka_unit_test(no_pixels_are_no_image),
        cmocka_unit_test(pixels_are_black_and_freed_once),
        cmocka_unit_test(a_size_beyond_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
