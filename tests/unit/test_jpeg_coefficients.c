/* The coefficients that jpeg_huffman.h reads are those that libjpeg reads, of files that libjpeg
 * writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "model/image/jpeg_huffman.h"

static uint32_t random_state = 1;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

struct picture {
    unsigned width_px, height_px, components, h, v, restart_interval;
    int quality;
    boolean has_own_codes;
};

/* Noise that grows from left to right, written by libjpeg. Returns owned, free(). */
static struct span write_picture(const struct picture *picture)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    uint8_t row[3 * 256];
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = picture->width_px;
    jpeg.image_height = picture->height_px;
    jpeg.input_components = (int)picture->components;
    jpeg.in_color_space = picture->components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, picture->quality, TRUE);
    jpeg.comp_info[0].h_samp_factor = (int)picture->h;
    jpeg.comp_info[0].v_samp_factor = (int)picture->v;
    jpeg.restart_interval = picture->restart_interval;
    jpeg.optimize_coding = picture->has_own_codes;
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW at = row;
        for (unsigned i = 0; i < picture->width_px * picture->components; i++)
            row[i] = (uint8_t)(i / 8 + random_below(1 + i / 3));
        jpeg_write_scanlines(&jpeg, &at, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (struct span){bytes, size};
}

/* The reader for what follows the header that `jpeg` has just read. */
static unsigned scan_init(const struct jpeg_decompress_struct *jpeg, struct jpeg_huffman *huffman)
{
    static struct jpeg_huffman_table dc[2], ac[2];
    for (int i = 0; i < 2 && jpeg->dc_huff_tbl_ptrs[i]; i++) {
        const JHUFF_TBL *first = jpeg->dc_huff_tbl_ptrs[i], *other = jpeg->ac_huff_tbl_ptrs[i];
        assert_true(jpeg_huffman_table_init(first->bits, first->huffval, true, &dc[i]));
        assert_true(jpeg_huffman_table_init(other->bits, other->huffval, false, &ac[i]));
    }
    jpeg_huffman_init((struct span){jpeg->src->next_input_byte, jpeg->src->bytes_in_buffer},
                      jpeg->restart_interval, huffman);
    unsigned count = 0;
    for (int c = 0; c < jpeg->num_components; c++) {
        const jpeg_component_info *component = &jpeg->comp_info[c];
        int blocks =
            jpeg->num_components == 1 ? 1 : component->h_samp_factor * component->v_samp_factor;
        for (int i = 0; i < blocks; i++, count++) {
            huffman->blocks[count].dc = &dc[component->dc_tbl_no];
            huffman->blocks[count].ac = &ac[component->ac_tbl_no];
            huffman->blocks[count].component = (unsigned)c;
        }
    }
    huffman->block_count = count;
    return count;
}

/* The blocks of an MCU are libjpeg's, but for those that lie beyond the image. */
static void compare_mcu(struct jpeg_decompress_struct *jpeg, jvirt_barray_ptr *coefficients,
                        unsigned row, unsigned column, int16_t (*blocks)[64])
{
    for (int c = 0; c < jpeg->num_components; c++) {
        jpeg_component_info *component = &jpeg->comp_info[c];
        bool is_alone = jpeg->num_components == 1;
        unsigned h = is_alone ? 1 : (unsigned)component->h_samp_factor,
                 v = is_alone ? 1 : (unsigned)component->v_samp_factor;
        for (unsigned i = 0; i < h * v; i++, blocks++) {
            unsigned y = row * v + i / h, x = column * h + i % h;
            if (y >= component->height_in_blocks || x >= component->width_in_blocks)
                continue;
            JBLOCKARRAY rows =
                jpeg->mem->access_virt_barray((j_common_ptr)jpeg, coefficients[c], y, 1, FALSE);
            assert_memory_equal(rows[0][x], *blocks, sizeof *blocks);
        }
    }
}

static void compare_with_libjpeg(const struct picture *picture)
{
    static struct jpeg_huffman huffman;
    struct span bytes = write_picture(picture);
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, bytes.data, bytes.size);
    assert_int_equal(jpeg_read_header(&jpeg, TRUE), JPEG_HEADER_OK);
    unsigned count = scan_init(&jpeg, &huffman);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&jpeg);
    unsigned width_px = 8 * (picture->components == 1 ? 1 : picture->h),
             height_px = 8 * (picture->components == 1 ? 1 : picture->v);
    for (unsigned row = 0; row * height_px < picture->height_px; row++)
        for (unsigned column = 0; column * width_px < picture->width_px; column++) {
            int16_t blocks[JPEG_HUFFMAN_MAX_BLOCKS][64] = {0}, *places[JPEG_HUFFMAN_MAX_BLOCKS];
            for (unsigned i = 0; i < count; i++)
                places[i] = blocks[i];
            assert_true(jpeg_huffman_read(&huffman, places));
            compare_mcu(&jpeg, coefficients, row, column, blocks);
        }
    jpeg_destroy_decompress(&jpeg);
    free((void *)(uintptr_t)bytes.data);
}

static void coefficients_are_libjpegs(void **state)
{
    (void)state;
    static const struct {
        unsigned components, h, v;
    } kinds[] = {{1, 1, 1}, {1, 2, 2}, {3, 1, 1}, {3, 2, 1}, {3, 1, 2}, {3, 2, 2}, {3, 4, 1}};
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++)
        for (unsigned restart_interval = 0; restart_interval < 12; restart_interval += 3)
            for (int quality = 10; quality <= 100; quality += 30)
                compare_with_libjpeg(&(struct picture){.width_px = 203,
                                                       .height_px = 77,
                                                       .components = kinds[kind].components,
                                                       .h = kinds[kind].h,
                                                       .v = kinds[kind].v,
                                                       .restart_interval = restart_interval,
                                                       .quality = quality,
                                                       .has_own_codes = quality == 70});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coefficients_are_libjpegs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
