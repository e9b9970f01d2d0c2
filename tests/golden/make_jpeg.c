/* Writes JPEG files of kinds that PIL cannot write, for image_files.py.
 *
 *   make_jpeg WIDTH HEIGHT SPACE SAMPLING RESTART KIND < PIXELS > FILE
 *
 * SPACE: gray, rgb, ycc (from RGB), cmyk, ycck (from CMYK); SAMPLING: a digit pair for each
 * component, as in 221111; RESTART: MCUs between restart markers, 0 for none; KIND: baseline,
 * progressive, arithmetic, scans (each component in a scan of its own). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static const struct {
    const char *name;
    int components;
    J_COLOR_SPACE from, to;
} spaces[] = {
    {"gray", 1, JCS_GRAYSCALE, JCS_GRAYSCALE},
    {"rgb", 3, JCS_RGB, JCS_RGB},
    {"ycc", 3, JCS_RGB, JCS_YCbCr},
    {"cmyk", 4, JCS_CMYK, JCS_CMYK},
    {"ycck", 4, JCS_CMYK, JCS_YCCK},
};

static void set_space(struct jpeg_compress_struct *jpeg, const char *name)
{
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        if (strcmp(name, spaces[i].name) != 0)
            continue;
        jpeg->input_components = spaces[i].components;
        jpeg->in_color_space = spaces[i].from;
        jpeg_set_defaults(jpeg);
        jpeg_set_colorspace(jpeg, spaces[i].to);
        return;
    }
    exit(EXIT_FAILURE);
}

static void set_sampling(struct jpeg_compress_struct *jpeg, const char *digits)
{
    if (strlen(digits) != 2 * (size_t)jpeg->num_components)
        exit(EXIT_FAILURE);
    for (int c = 0; c < jpeg->num_components; c++) {
        jpeg->comp_info[c].h_samp_factor = digits[2 * c] - '0';
        jpeg->comp_info[c].v_samp_factor = digits[2 * c + 1] - '0';
    }
}

static void set_kind(struct jpeg_compress_struct *jpeg, const char *kind, jpeg_scan_info scans[4])
{
    if (strcmp(kind, "progressive") == 0)
        jpeg_simple_progression(jpeg);
    else if (strcmp(kind, "arithmetic") == 0)
        jpeg->arith_code = TRUE;
    else if (strcmp(kind, "scans") == 0) {
        for (int c = 0; c < jpeg->num_components; c++)
            scans[c] = (jpeg_scan_info){1, {c}, 0, 63, 0, 0};
        jpeg->scan_info = scans;
        jpeg->num_scans = jpeg->num_components;
    } else if (strcmp(kind, "baseline") != 0)
        exit(EXIT_FAILURE);
}

static void write_rows(struct jpeg_compress_struct *jpeg)
{
    size_t row_bytes = (size_t)jpeg->image_width * (size_t)jpeg->input_components;
    JSAMPROW row = malloc(row_bytes);
    jpeg_start_compress(jpeg, TRUE);
    while (row && jpeg->next_scanline < jpeg->image_height) {
        if (fread(row, 1, row_bytes, stdin) != row_bytes)
            exit(EXIT_FAILURE);
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    free(row);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return EXIT_FAILURE;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg_scan_info scans[4];
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, stdout);
    jpeg.image_width = (JDIMENSION)atoi(argv[1]);
    jpeg.image_height = (JDIMENSION)atoi(argv[2]);
    set_space(&jpeg, argv[3]);
    jpeg_set_quality(&jpeg, 85, TRUE);
    set_sampling(&jpeg, argv[4]);
    jpeg.restart_interval = (unsigned)atoi(argv[5]);
    set_kind(&jpeg, argv[6], scans);
    write_rows(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return EXIT_SUCCESS;
}
