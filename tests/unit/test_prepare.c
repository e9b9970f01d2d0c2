#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/image/prepare.h"

/* A PNG of one red pixel. */
static const uint8_t red[] = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A, 0,    0,    0,    13,
                              'I',  'H', 'D', 'R', 0,    0,    0,    1,    0,    0,    0,    1,
                              8,    2,   0,   0,   0,    0x90, 0x77, 0x53, 0xDE, 0,    0,    0,
                              12,   'I', 'D', 'A', 'T',  0x78, 0x9C, 0x63, 0xF8, 0xCF, 0xC0, 0,
                              0,    3,   1,   1,   0,    0xC9, 0xFE, 0x92, 0xEF, 0,    0,    0,
                              0,    'I', 'E', 'N', 'D',  0xAE, 0x42, 0x60, 0x82};

static const struct image_prepare_options options = {
    .limits = {10, 100}, .resize_px = 4, .crop_px = 3, .orient = true};

static void a_file_becomes_a_slot(void **state)
{
    (void)state;
    uint8_t slot[28] = {[27] = 99};
    struct image_info info;
    struct image_prepare_times times = {UINT64_MAX, UINT64_MAX};
    struct error error = {0};
    struct span bytes = {red, sizeof red};
    assert_int_equal(image_prepare(&options, bytes, slot, &info, &times, &error), STATUS_OK);
    for (size_t i = 0; i < 27; i++)
        assert_int_equal(slot[i], i % 3 == 0 ? 255 : 0);
    assert_int_equal(slot[27], 99);
    assert_int_equal(info.format, IMAGE_FORMAT_PNG);
    assert_true(times.decode_us < UINT64_MAX && times.preprocess_us < UINT64_MAX);
    assert_int_equal(image_prepare(&options, bytes, slot, &info, NULL, &error), STATUS_OK);
}

static void nothing_is_told_of_a_broken_file(void **state)
{
    (void)state;
    uint8_t slot[27];
    for (size_t size = 0; size < sizeof red; size++) {
        struct image_info info = {.width_px = 7};
        struct error error = {0};
        enum status status =
            image_prepare(&options, (struct span){red, size}, slot, &info, NULL, &error);
        assert_int_equal(status, size < 8 ? STATUS_UNSUPPORTED : STATUS_NOT_DECODABLE);
        assert_int_equal(error.status, status);
        assert_int_equal(info.width_px, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_becomes_a_slot),
        cmocka_unit_test(nothing_is_told_of_a_broken_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
