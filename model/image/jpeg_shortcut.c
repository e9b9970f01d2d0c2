#include "model/image/jpeg_shortcut.h"

#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>
#include <jpegint.h>

#include "model/image/jpeg_huffman.h"

/* Pixels beside the window that fancy upsampling looks at, or that an edge would change: a sample
 * of colour on each side, two pixels wide, and the next, which is the last and so another. */
enum { MARGIN_PX = 4, MIN_CROP_PX = 32 };

struct jpeg_shortcut {
    struct jpeg_huffman huffman;
    struct jpeg_huffman_table dc[NUM_HUFF_TBLS], ac[NUM_HUFF_TBLS];
    uint32_t first_group, end_group; /* rows of MCUs whose pixels count */
    uint64_t mcus_left;
    inverse_DCT_method_ptr inverse_dct[MAX_COMPONENTS];
    void (*color_convert)(j_decompress_ptr jpeg, JSAMPIMAGE input, JDIMENSION input_row,
                          JSAMPARRAY output, int rows);
};

static struct jpeg_shortcut *shortcut_of(j_decompress_ptr jpeg)
{
    return ((struct jpeg_client *)jpeg->client_data)->shortcut;
}

static void no_inverse_dct(j_decompress_ptr jpeg, jpeg_component_info *component,
                           JCOEFPTR coefficients, JSAMPARRAY output, JDIMENSION column)
{
    (void)jpeg;
    (void)component;
    (void)coefficients;
    (void)output;
    (void)column;
}

static void no_color_convert(j_decompress_ptr jpeg, JSAMPIMAGE input, JDIMENSION input_row,
                             JSAMPARRAY output, int rows)
{
    (void)jpeg;
    (void)input;
    (void)input_row;
    (void)output;
    (void)rows;
}

static void read_mcu(j_decompress_ptr jpeg, int16_t *const *blocks)
{
    struct jpeg_client *client = jpeg->client_data;
    if (!jpeg_huffman_read(&client->shortcut->huffman, blocks))
        client->give_up(client);
    client->shortcut->mcus_left--;
}

static boolean decode_mcu(j_decompress_ptr jpeg, JBLOCKROW *mcu)
{
    struct jpeg_shortcut *shortcut = shortcut_of(jpeg);
    int16_t *blocks[JPEG_HUFFMAN_MAX_BLOCKS];
    for (int i = 0; i < jpeg->blocks_in_MCU; i++)
        blocks[i] = mcu[i][0];
    bool is_wanted =
        jpeg->input_iMCU_row >= shortcut->first_group && jpeg->input_iMCU_row < shortcut->end_group;
    for (int i = 0; i < jpeg->num_components; i++)
        jpeg->idct->inverse_DCT[i] = is_wanted ? shortcut->inverse_dct[i] : no_inverse_dct;
    read_mcu(jpeg, blocks);
    return TRUE;
}

/* Whether the samples are laid out as they nearly always are: colour in halves at most. Other
 * layouts are decoded in full width. */
static bool has_usual_sampling(const struct jpeg_decompress_struct *jpeg)
{
    bool is_usual = jpeg->max_h_samp_factor <= 2 && jpeg->max_v_samp_factor <= 2 &&
                    jpeg->comp_info[0].h_samp_factor == jpeg->max_h_samp_factor &&
                    jpeg->comp_info[0].v_samp_factor == jpeg->max_v_samp_factor;
    for (int i = 1; i < jpeg->num_components; i++)
        is_usual = is_usual && jpeg->comp_info[i].h_samp_factor == 1 &&
                   jpeg->comp_info[i].v_samp_factor == 1;
    return is_usual && (jpeg->num_components > 1 || jpeg->max_h_samp_factor == 1);
}

static bool is_plain(struct jpeg_decompress_struct *jpeg)
{
    return !jpeg_has_multiple_scans(jpeg) && !jpeg->progressive_mode && !jpeg->arith_code &&
           jpeg->data_precision == BITS_IN_JSAMPLE &&
           jpeg->num_components <= JPEG_HUFFMAN_MAX_COMPONENTS &&
           jpeg->blocks_in_MCU <= JPEG_HUFFMAN_MAX_BLOCKS && jpeg->Ss == 0 && jpeg->Se == 63 &&
           jpeg->Ah == 0 && jpeg->Al == 0;
}

/* The library that was loaded may be a later one than it was compiled for: libjpeg-turbo 3 goes by
 * the same file name. It has more messages. */
static bool is_known_library(const struct jpeg_decompress_struct *jpeg)
{
    return jpeg->err->last_jpeg_message == JMSG_LASTMSGCODE - 1;
}

/* libjpeg has the tables of every component of the scan, and has found them good. */
static bool make_tables(const struct jpeg_decompress_struct *jpeg, struct jpeg_shortcut *shortcut)
{
    bool has_dc[NUM_HUFF_TBLS] = {0}, has_ac[NUM_HUFF_TBLS] = {0}, is_good = true;
    for (int i = 0; i < jpeg->comps_in_scan; i++) {
        int dc = jpeg->cur_comp_info[i]->dc_tbl_no, ac = jpeg->cur_comp_info[i]->ac_tbl_no;
        const JHUFF_TBL *dc_codes = jpeg->dc_huff_tbl_ptrs[dc],
                        *ac_codes = jpeg->ac_huff_tbl_ptrs[ac];
        is_good =
            is_good && (has_dc[dc] || jpeg_huffman_table_init(dc_codes->bits, dc_codes->huffval,
                                                              true, &shortcut->dc[dc]));
        is_good =
            is_good && (has_ac[ac] || jpeg_huffman_table_init(ac_codes->bits, ac_codes->huffval,
                                                              false, &shortcut->ac[ac]));
        has_dc[dc] = has_ac[ac] = true;
    }
    return is_good;
}

static void set_up_blocks(const struct jpeg_decompress_struct *jpeg, struct jpeg_shortcut *shortcut)
{
    struct jpeg_huffman *huffman = &shortcut->huffman;
    huffman->block_count = (unsigned)jpeg->blocks_in_MCU;
    for (int i = 0; i < jpeg->blocks_in_MCU; i++) {
        int component = jpeg->MCU_membership[i];
        huffman->blocks[i].component = (unsigned)component;
        huffman->blocks[i].dc = &shortcut->dc[jpeg->cur_comp_info[component]->dc_tbl_no];
        huffman->blocks[i].ac = &shortcut->ac[jpeg->cur_comp_info[component]->ac_tbl_no];
    }
}

/* Lines of pixels that a row of MCUs has in the output: its DCT may be scaled. */
static uint32_t group_px(const struct jpeg_decompress_struct *jpeg)
{
    return (uint32_t)(jpeg->max_v_samp_factor * jpeg->min_DCT_scaled_size);
}

static void replace_functions(struct jpeg_decompress_struct *jpeg, struct jpeg_shortcut *shortcut)
{
    for (int i = 0; i < jpeg->num_components; i++)
        shortcut->inverse_dct[i] = jpeg->idct->inverse_DCT[i];
    shortcut->color_convert = jpeg->cconvert->color_convert;
    jpeg->entropy->decode_mcu = decode_mcu;
}

static void crop_columns(struct jpeg_decompress_struct *jpeg, const struct image_window *window,
                         uint32_t *ret_x_px)
{
    JDIMENSION x = window->x_px > MARGIN_PX ? window->x_px - MARGIN_PX : 0;
    JDIMENSION end = window->x_px + window->width_px + MARGIN_PX;
    JDIMENSION width = (end < jpeg->output_width ? end : jpeg->output_width) - x;
    if (width < MIN_CROP_PX || width == jpeg->output_width || !has_usual_sampling(jpeg))
        return;
    jpeg_crop_scanline(jpeg, &x, &width);
    *ret_x_px = x;
}

bool jpeg_shortcut_take(struct jpeg_decompress_struct *jpeg, struct jpeg_client *client,
                        struct span scan, const struct image_window *window, uint32_t *ret_x_px)
{
    *ret_x_px = 0;
    if (!is_known_library(jpeg) || !is_plain(jpeg))
        return true;
    struct jpeg_shortcut *shortcut = malloc(sizeof *shortcut);
    if (!shortcut)
        return false;
    if (!make_tables(jpeg, shortcut)) {
        free(shortcut);
        return true;
    }
    uint32_t first = window->y_px, end = window->y_px + window->height_px;
    shortcut->first_group = (first > MARGIN_PX ? first - MARGIN_PX : 0) / group_px(jpeg);
    shortcut->end_group = (end + MARGIN_PX) / group_px(jpeg) + 1;
    shortcut->mcus_left = (uint64_t)jpeg->MCUs_per_row * jpeg->MCU_rows_in_scan;
    jpeg_huffman_init(scan, jpeg->restart_interval, &shortcut->huffman);
    set_up_blocks(jpeg, shortcut);
    client->shortcut = shortcut;
    replace_functions(jpeg, shortcut);
    crop_columns(jpeg, window, ret_x_px);
    return true;
}

void jpeg_shortcut_want(struct jpeg_decompress_struct *jpeg, bool is_wanted)
{
    struct jpeg_shortcut *shortcut = shortcut_of(jpeg);
    jpeg->cconvert->color_convert = is_wanted ? shortcut->color_convert : no_color_convert;
}

void jpeg_shortcut_finish(struct jpeg_decompress_struct *jpeg)
{
    struct jpeg_shortcut *shortcut = shortcut_of(jpeg);
    int16_t unseen[JPEG_HUFFMAN_BLOCK], *blocks[JPEG_HUFFMAN_MAX_BLOCKS];
    for (unsigned i = 0; i < JPEG_HUFFMAN_MAX_BLOCKS; i++)
        blocks[i] = unseen;
    while (shortcut->mcus_left > 0)
        read_mcu(jpeg, blocks);
}

void jpeg_shortcut_destroy(struct jpeg_shortcut *shortcut)
{
    free(shortcut);
}
