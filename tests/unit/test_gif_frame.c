/* What PIL makes of each kind of file is compared in tests/golden/test_preprocess.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/image/gif_frame.h"

/* A screen of 2 x 9, two colours, index 1 transparent, a frame of 3 x 4 at (1, 2), interlaced. */
static const uint8_t file[] = {'G',  'I',  'F',  '8',  '9',  'a', 2,    0,  9,   0,
                               0x80, 0,    0,    10,   11,   12,  20,   21, 22,        /* screen */
                               0x21, 0xF9, 4,    1,    0,    0,   1,    0,             /* control */
                               0x2C, 1,    0,    2,    0,    3,   0,    4,  0,   0x40, /* frame */
                               2,    3,    0xAA, 0xBB, 0xCC, 1,   0xDD, 0,  0x3B};

static void the_first_frame_is_found(void **state)
{
    (void)state;
    struct gif_frame frame;
    struct error error = {0};
    assert_int_equal(gif_frame_parse((struct span){file, sizeof file}, &frame, &error), STATUS_OK);
    assert_int_equal(frame.screen_width_px, 4);
    assert_int_equal(frame.screen_height_px, 9);
    assert_int_equal(frame.x_px, 1);
    assert_int_equal(frame.y_px, 2);
    assert_int_equal(frame.width_px, 3);
    assert_int_equal(frame.height_px, 4);
    assert_true(frame.is_interlaced);
    assert_int_equal(frame.background, 1);
    assert_int_equal(frame.palette[1][0], 20);
    assert_int_equal(frame.palette[2][0], 2);
    assert_int_equal(frame.code_bits, 2);
    assert_int_equal(frame.blocks.size, 6);
}

static void a_plain_file_is_written(void **state)
{
    (void)state;
    struct gif_frame frame, again;
    struct error error = {0};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(gif_frame_parse((struct span){file, sizeof file}, &frame, &error), STATUS_OK);
    assert_int_equal(gif_frame_rewrite(&frame, &bytes, &size, &error), STATUS_OK);
    assert_int_equal(gif_frame_parse((struct span){bytes, size}, &again, &error), STATUS_OK);
    assert_int_equal(again.screen_width_px, 3);
    assert_int_equal(again.screen_height_px, 4);
    assert_int_equal(again.x_px, 0);
    assert_int_equal(again.y_px, 0);
    assert_int_equal(again.background, 0);
    assert_true(again.is_interlaced);
    assert_memory_equal(again.palette, frame.palette, sizeof frame.palette);
    assert_int_equal(again.blocks.size, frame.blocks.size);
    assert_memory_equal(again.blocks.data, frame.blocks.data, frame.blocks.size);
    assert_int_equal(bytes[size - 1], ';');
    free(bytes);
}

/* Of data that is cut off only whole blocks are kept. */
static void half_a_block_is_dropped(void **state)
{
    (void)state;
    struct gif_frame frame;
    struct error error = {0};
    size_t data = sizeof file - 9;
    const size_t kept[] = {0, 0, 0, 0, 4, 4, 6, 6};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        assert_int_equal(gif_frame_parse((struct span){file, data + 1 + i}, &frame, &error),
                         STATUS_OK);
        assert_int_equal(frame.blocks.size, kept[i]);
    }
}

static void a_header_cut_off_is_an_error(void **state)
{
    (void)state;
    struct gif_frame frame;
    for (size_t length = 0; length <= sizeof file - 9; length++) {
        struct error error = {0};
        assert_int_equal(gif_frame_parse((struct span){file, length}, &frame, &error),
                         STATUS_NOT_DECODABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_frame_is_found),
        cmocka_unit_test(a_plain_file_is_written),
        cmocka_unit_test(half_a_block_is_dropped),
        cmocka_unit_test(a_header_cut_off_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
