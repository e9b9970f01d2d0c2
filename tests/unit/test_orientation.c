#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/image/orientation.h"

#define SPAN(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

static const char little[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
static const char big[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";

static void either_byte_order_is_read(void **state)
{
    (void)state;
    unsigned orientation = 0;
    assert_true(orientation_read_exif(SPAN(little), &orientation));
    assert_int_equal(orientation, 6);
    assert_true(orientation_read_exif(SPAN(big), &orientation));
    assert_int_equal(orientation, 8);
}

/* Every shorter block is refused without touching what lies behind (the sanitizers watch). */
static void a_block_cut_off_says_nothing(void **state)
{
    (void)state;
    for (size_t size = 0; size < 22; size++) {
        unsigned orientation = 77;
        struct span cut = {(const uint8_t *)little, size};
        assert_false(orientation_read_exif(cut, &orientation));
        assert_int_equal(orientation, 77);
    }
}

static void nonsense_is_upright(void **state)
{
    (void)state;
    char block[sizeof little];
    memcpy(block, little, sizeof block);
    unsigned orientation = 0;
    for (char value = 0; value < 12; value += 9) {
        block[18] = value;
        assert_true(orientation_read_exif(SPAN(block), &orientation));
        assert_int_equal(orientation, ORIENTATION_UPRIGHT);
    }
    block[18] = 6;
    block[12] = 2; /* text */
    assert_true(orientation_read_exif(SPAN(block), &orientation));
    assert_int_equal(orientation, ORIENTATION_UPRIGHT);
    assert_false(orientation_read_exif(SPAN("not a TIFF header at all"), &orientation));
}

static void an_entry_that_points_outside_ends_the_reading(void **state)
{
    (void)state;
    static const char lost[] = "II*\0\x08\0\0\0\x02\0"
                               "\x0F\x01\x02\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                               "\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    unsigned orientation = 77;
    assert_false(orientation_read_exif(SPAN(lost), &orientation));
}

static void xmp_is_searched(void **state)
{
    (void)state;
    unsigned orientation = 0;
    assert_true(
        orientation_read_xmp(SPAN("tiff:Orientation? tiff:Orientation=\"5\""), &orientation));
    assert_int_equal(orientation, 5);
    assert_true(orientation_read_xmp(SPAN("<tiff:Orientation>3<"), &orientation));
    assert_int_equal(orientation, 3);
    assert_true(orientation_read_xmp(SPAN("tiff:Orientation=\"9\""), &orientation));
    assert_int_equal(orientation, ORIENTATION_UPRIGHT);
    assert_false(orientation_read_xmp(SPAN("tiff:Orientation=\""), &orientation));
    assert_false(orientation_read_xmp(SPAN("tiff:Orientation=5"), &orientation));
    assert_false(orientation_read_xmp(SPAN(""), &orientation));
}

/* Reads the upright image row by row as one letter a pixel. */
static void check_view(unsigned orientation, const char *expected, uint32_t width)
{
    static const char stored[] = "abcdef"; /* abc / def */
    struct orientation_way way = orientation_way(orientation);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t x = i % width, y = i / width;
        uint32_t stored_x = way.transpose ? y : x, stored_y = way.transpose ? x : y;
        stored_x = way.flip_x ? 2 - stored_x : stored_x;
        stored_y = way.flip_y ? 1 - stored_y : stored_y;
        assert_int_equal(stored[3 * stored_y + stored_x], expected[i]);
    }
    assert_int_equal(way.transpose, width == 2);
}

static void each_orientation_reads_its_way(void **state)
{
    (void)state;
    check_view(1, "abcdef", 3);
    check_view(2, "cbafed", 3);
    check_view(3, "fedcba", 3);
    check_view(4, "defabc", 3);
    check_view(5, "adbecf", 2);
    check_view(6, "daebfc", 2);
    check_view(7, "fcebda", 2);
    check_view(8, "cfbead", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_byte_order_is_read),
        cmocka_unit_test(a_block_cut_off_says_nothing),
        cmocka_unit_test(nonsense_is_upright),
        cmocka_unit_test(an_entry_that_points_outside_ends_the_reading),
        cmocka_unit_test(xmp_is_searched),
        cmocka_unit_test(each_orientation_reads_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
