/* What PIL makes of each kind of file is compared in tests/golden/test_preprocess.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/image/bmp_header.h"

/* 3 x 2 pixels of 4 bits, two colours, from the top down, the rows 6 bytes behind the palette. */
static const uint8_t file[] = {
    'B',  'M',  0, 0, 0,    0,   0, 0, 0,    0,    68,   0,    0, 0,       /* the file */
    40,   0,    0, 0, 3,    0,   0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 1, 0, 4, 0, /* size, planes, bits */
    0,    0,    0, 0, 0,    0,   0, 0, 0,    0,    0,    0,    0, 0, 0, 0,
    2,    0,    0, 0, 0,    0,   0, 0, /* 2 colours */
    1,    2,    3, 0, 4,    5,   6, 0, /* blue, green, red */
    9,    9,    9, 9, 9,    9,         /* a gap */
    0x01, 0x10, 0, 0, 0x10, 0x00};     /* rows */

static void a_header_is_read(void **state)
{
    (void)state;
    struct bmp_header header;
    struct error error = {0};
    assert_int_equal(bmp_header_parse((struct span){file, sizeof file}, &header, &error),
                     STATUS_OK);
    assert_int_equal(header.width_px, 3);
    assert_int_equal(header.height_px, 2);
    assert_true(header.is_top_down);
    assert_int_equal(header.bits, 4);
    assert_int_equal(header.palette[1][2], 6);
    assert_int_equal(header.palette[2][0], 2);
    assert_int_equal(header.palette[255][2], 255);
    assert_int_equal(header.pixels.size, 6);
}

static void a_plain_file_is_written(void **state)
{
    (void)state;
    struct bmp_header header, again;
    struct error error = {0};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(bmp_header_parse((struct span){file, sizeof file}, &header, &error),
                     STATUS_OK);
    assert_int_equal(bmp_header_rewrite(&header, &bytes, &size, &error), STATUS_OK);
    assert_int_equal(size, 14 + 40 + 1024 + 8);
    assert_int_equal(bmp_header_parse((struct span){bytes, size}, &again, &error), STATUS_OK);
    assert_memory_equal(again.palette, header.palette, sizeof header.palette);
    assert_memory_equal(again.pixels.data, header.pixels.data, header.pixels.size);
    assert_true(again.is_top_down);
    assert_int_equal(again.height_px, 2);
    free(bytes);
}

static void missing_rows_are_an_error(void **state)
{
    (void)state;
    struct bmp_header header;
    struct error error = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(bmp_header_parse((struct span){file, sizeof file - 1}, &header, &error),
                     STATUS_OK);
    assert_int_equal(bmp_header_rewrite(&header, &bytes, &size, &error), STATUS_NOT_DECODABLE);
    assert_null(bytes);
}

static void a_header_cut_off_is_an_error(void **state)
{
    (void)state;
    struct bmp_header header;
    for (size_t length = 0; length < 68; length++) {
        struct error error = {0};
        assert_int_equal(bmp_header_parse((struct span){file, length}, &header, &error),
                         STATUS_NOT_DECODABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read),
        cmocka_unit_test(a_plain_file_is_written),
        cmocka_unit_test(missing_rows_are_an_error),
        cmocka_unit_test(a_header_cut_off_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
