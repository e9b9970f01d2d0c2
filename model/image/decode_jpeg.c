#include "model/image/decode_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

#include "model/base/alloc.h"
#include "model/image/orientation.h"

/* A progressive file may repeat its scans without end, and each costs a walk over all coefficients.
 * Encoders write about ten. */
#define MAX_SCANS 100

enum { PIXEL_BYTES = 3 };

/* libjpeg reports an error by not returning. `guarded` is the one place that it may come back to,
 * so everything that outlives a step lives here. */
struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf come_back;
    struct span bytes;
    const struct image_limits *limits;
    struct image_info info;
    struct image image;
    uint8_t *cmyk_row; /* [width, 4], for files of four components */
    enum status status;
    struct error *error;
};

static _Noreturn void stop(struct reader *reader, enum status status, const char *text)
{
    reader->status = error_set(reader->error, status, "JPEG: %s", text);
    longjmp(reader->come_back, 1);
}

static _Noreturn void on_error(j_common_ptr jpeg)
{
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    switch (jpeg->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        stop(jpeg->client_data, STATUS_NO_MEMORY, text);
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
        stop(jpeg->client_data, STATUS_UNSUPPORTED, text);
    default:
        stop(jpeg->client_data, STATUS_NOT_DECODABLE, text);
    }
}

/* Damage that libjpeg can paint over is accepted, as PIL does. */
static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *reader = jpeg->client_data;
    if (reader->jpeg.input_scan_number > MAX_SCANS)
        stop(reader, STATUS_TOO_LARGE, "more than 100 scans");
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* All bytes were there from the start: who asks for more has met the end of a cut-off file. The
 * calls of libjpeg then say "suspended", which is an error to their callers here. */
static boolean source_refill(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    struct jpeg_source_mgr *source = jpeg->src;
    size_t bytes = count < 0 ? 0 : (size_t)count;
    if (bytes > source->bytes_in_buffer)
        bytes = source->bytes_in_buffer;
    source->next_input_byte += bytes;
    source->bytes_in_buffer -= bytes;
}

static void set_up(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg->err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.emit_message = on_message;
    jpeg->client_data = reader;
    jpeg_create_decompress(jpeg);
    reader->source = (struct jpeg_source_mgr){
        .next_input_byte = reader->bytes.data,
        .bytes_in_buffer = reader->bytes.size,
        .init_source = source_nothing,
        .fill_input_buffer = source_refill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    jpeg->src = &reader->source;
    reader->progress.progress_monitor = on_progress;
    jpeg->progress = &reader->progress;
}

/* The first APP1 that is EXIF decides, also when it says nothing. */
static unsigned find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    unsigned orientation = ORIENTATION_UPRIGHT;
    for (const struct jpeg_marker_struct *marker = jpeg->marker_list; marker;
         marker = marker->next) {
        struct span data = {marker->data, marker->data_length};
        if (!span_has(data, 0, "Exif\0", 5))
            continue;
        (void)orientation_read_exif(data, &orientation);
        break;
    }
    return orientation;
}

/* Of a file in several scans libjpeg holds the coefficients of the whole image; of others, rows. */
static uint64_t coefficient_bytes(struct jpeg_decompress_struct *jpeg)
{
    uint64_t blocks = 0;
    if (!jpeg_has_multiple_scans(jpeg))
        return 0;
    for (int i = 0; i < jpeg->num_components; i++)
        blocks +=
            (uint64_t)jpeg->comp_info[i].width_in_blocks * jpeg->comp_info[i].height_in_blocks;
    return blocks * sizeof(JBLOCK);
}

static void read_header(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    set_up(reader);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    if (jpeg_read_header(jpeg, TRUE) != JPEG_HEADER_OK)
        stop(reader, STATUS_NOT_DECODABLE, "the file ends in its header");
    if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != 4)
        stop(reader, STATUS_UNSUPPORTED, "neither grey nor three nor four colour components");
    enum status status =
        image_check_limits(jpeg->image_width, jpeg->image_height, reader->limits, reader->error);
    if (status != STATUS_OK) {
        reader->status = status;
        longjmp(reader->come_back, 1);
    }
    reader->info = (struct image_info){IMAGE_FORMAT_JPEG, jpeg->image_width, jpeg->image_height,
                                       find_orientation(jpeg),
                                       image_decode_bytes(jpeg->image_width, jpeg->image_height,
                                                          PIXEL_BYTES, coefficient_bytes(jpeg))};
}

/* a * b / 255, rounded, without the division; as PIL has it. */
static unsigned scaled(unsigned a, unsigned b)
{
    unsigned product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* What libjpeg hands out for four components is inverted, as Adobe writes it (PIL takes all such
 * files for Adobe's): `cmyk` holds 255 - ink, so that its last value is the white that is left. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint32_t count, uint8_t *rgb)
{
    for (uint32_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
        unsigned white = cmyk[3];
        for (unsigned c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(white - scaled(255U - cmyk[c], white));
    }
}

static void read_rows(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    uint32_t width = jpeg->image_width;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *row = reader->image.pixels + 3 * (size_t)width * jpeg->output_scanline;
        JSAMPROW into = reader->cmyk_row ? reader->cmyk_row : row;
        if (jpeg_read_scanlines(jpeg, &into, 1) != 1)
            stop(reader, STATUS_NOT_DECODABLE, "the file ends before the image does");
        if (reader->cmyk_row)
            cmyk_to_rgb(reader->cmyk_row, width, row);
    }
}

/* Does not look for the end marker: once all rows are there, PIL does not miss it either. */
static void read_pixels(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    bool is_cmyk = jpeg->num_components == 4;
    jpeg->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    enum status status =
        image_init(jpeg->image_width, jpeg->image_height, &reader->image, reader->error);
    if (status != STATUS_OK) {
        reader->status = status;
        longjmp(reader->come_back, 1);
    }
    if (is_cmyk)
        reader->cmyk_row = alloc_array(jpeg->image_width, 4, SIZE_MAX);
    if (is_cmyk && !reader->cmyk_row)
        stop(reader, STATUS_NO_MEMORY, "no memory for a row");
    if (!jpeg_start_decompress(jpeg))
        stop(reader, STATUS_NOT_DECODABLE, "the file ends before the image does");
    read_rows(reader);
}

/* Runs a step; false where it did not come to its end. No local of ours changes between setjmp and
 * longjmp. */
static bool guarded(struct reader *reader, void (*step)(struct reader *reader))
{
    if (setjmp(reader->come_back))
        return false;
    step(reader);
    return true;
}

enum status decode_jpeg(struct span bytes, const struct image_limits *limits,
                        struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a JPEG decoder");
    reader->bytes = bytes;
    reader->limits = limits;
    reader->error = error;
    bool is_done = guarded(reader, read_header) && (!ret_image || guarded(reader, read_pixels));
    enum status status = is_done ? STATUS_OK : reader->status;
    jpeg_destroy_decompress(&reader->jpeg);
    free(reader->cmyk_row);
    if (is_done) {
        *ret_info = reader->info;
        if (ret_image)
            *ret_image = reader->image;
    } else {
        image_fini(&reader->image);
    }
    free(reader);
    return status;
}
