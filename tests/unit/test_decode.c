#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/image/decode.h"

/* 2 x 1 pixels, red and blue. */
static const uint8_t bmp[] = {'B', 'M', 62, 0, 0, 0, 0, 0, 0,   0,   54, 0, 0,  0, 40, 0,
                              0,   0,   2,  0, 0, 0, 1, 0, 0,   0,   1,  0, 24, 0, 0,  0,
                              0,   0,   8,  0, 0, 0, 0, 0, 0,   0,   0,  0, 0,  0, 0,  0,
                              0,   0,   0,  0, 0, 0, 0, 0, 255, 255, 0,  0, 0,  0};
static const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 1, 0,    1, 0, 0x80, 0,
                              0,   9,   8,   7,   1,   2,   3, 0x2C, 0, 0, 0,    0,
                              1,   0,   1,   0,   0,   2,   2, 0x44, 1, 0, 0x3B};

static const struct image_limits limits = {100, 1000};

static void formats_are_told_from_the_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        enum image_format format;
        const char *name;
    } known[] = {
        {"\xFF\xD8\xFF", 3, IMAGE_FORMAT_JPEG, "jpeg"},
        {"\x89PNG\r\n\x1A\n", 8, IMAGE_FORMAT_PNG, "png"},
        {"RIFF????WEBPVP8X", 16, IMAGE_FORMAT_WEBP, "webp"},
        {"GIF87a", 6, IMAGE_FORMAT_GIF, "gif"},
        {(const char *)bmp, sizeof bmp, IMAGE_FORMAT_BMP, "bmp"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        enum image_format format = IMAGE_FORMAT_GIF;
        struct span bytes = {(const uint8_t *)known[i].bytes, known[i].size};
        assert_true(decode_sniff(bytes, &format));
        assert_int_equal(format, known[i].format);
        assert_string_equal(decode_format_name(format), known[i].name);
        bytes.size = known[i].format == IMAGE_FORMAT_BMP ? 17 : known[i].size - 1;
        if (known[i].format != IMAGE_FORMAT_WEBP)
            assert_false(decode_sniff(bytes, &format));
    }
}

static void a_header_is_read_without_pixels(void **state)
{
    (void)state;
    struct image_info info;
    struct error error = {0};
    struct span head = {bmp, 54};
    assert_int_equal(decode_header(head, &limits, &info, &error), STATUS_OK);
    assert_int_equal(info.width_px, 2);
    assert_int_equal(info.height_px, 1);
    assert_int_equal(info.orientation, 1);
    struct image image;
    assert_int_equal(decode_image(head, &limits, &image, &info, &error), STATUS_NOT_DECODABLE);
}

static void pixels_are_red_green_blue(void **state)
{
    (void)state;
    struct image image;
    struct image_info info;
    struct error error = {0};
    assert_int_equal(decode_image((struct span){bmp, sizeof bmp}, &limits, &image, &info, &error),
                     STATUS_OK);
    const uint8_t red_blue[] = {255, 0, 0, 0, 0, 255};
    assert_memory_equal(image.pixels, red_blue, sizeof red_blue);
    image_fini(&image);
    assert_int_equal(decode_image((struct span){gif, sizeof gif}, &limits, &image, &info, &error),
                     STATUS_OK);
    const uint8_t first[] = {9, 8, 7};
    assert_memory_equal(image.pixels, first, sizeof first);
    image_fini(&image);
}

static void limits_come_before_the_rest_of_the_file(void **state)
{
    (void)state;
    const struct image_limits one = {1, 1};
    struct image_info info;
    struct image image;
    struct error error = {0};
    struct span head = {bmp, 54};
    assert_int_equal(decode_image(head, &one, &image, &info, &error), STATUS_TOO_LARGE);
}

static void what_is_no_image_is_unsupported(void **state)
{
    (void)state;
    struct image_info info;
    struct error error = {0};
    assert_int_equal(decode_header((struct span){NULL, 0}, &limits, &info, &error),
                     STATUS_UNSUPPORTED);
    error = (struct error){0};
    assert_int_equal(
        decode_header((struct span){(const uint8_t *)"hello", 5}, &limits, &info, &error),
        STATUS_UNSUPPORTED);
    assert_int_equal(error.status, STATUS_UNSUPPORTED);
}

static void a_known_stranger_is_named(void **state)
{
    (void)state;
    static const uint8_t heic[] = "\0\0\0\x18"
                                  "ftypheic";
    struct image_info info;
    struct error error = {0};
    assert_int_equal(decode_header((struct span){heic, sizeof heic - 1}, &limits, &info, &error),
                     STATUS_UNSUPPORTED);
    assert_string_equal(error.text, "not an image that is read here but a HEIC image "
                                    "(JPEG, PNG, WebP, BMP and GIF are)");
    error = (struct error){0};
    assert_int_equal(decode_header((struct span){heic, 3}, &limits, &info, &error),
                     STATUS_UNSUPPORTED);
    assert_string_equal(error.text,
                        "not an image that is read here (JPEG, PNG, WebP, BMP and GIF are)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_told_from_the_first_bytes),
        cmocka_unit_test(a_header_is_read_without_pixels),
        cmocka_unit_test(pixels_are_red_green_blue),
        cmocka_unit_test(limits_come_before_the_rest_of_the_file),
        cmocka_unit_test(what_is_no_image_is_unsupported),
        cmocka_unit_test(a_known_stranger_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
