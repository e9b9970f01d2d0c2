#include "model/image/decode_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "model/base/alloc.h"
#include "model/image/jpeg_shortcut.h"
#include "model/image/orientation.h"

/* A progressive file may repeat its scans without end, and each costs a walk over all coefficients.
 * Encoders write about ten. */
#define MAX_SCANS 100

/* A DCT is scaled to quarters at most: an eighth is the mean of its pixels. */
enum { MAX_SHRINKING = 4 };

/* Rows that are handed on together, so that code and tables of either side stay in the cache. */
enum { PIXEL_BYTES = 3, BATCH_ROWS = 16 };

/* libjpeg reports an error by not returning. `guarded` is the one place that it may come back to,
 * so everything that outlives a step lives here. */
struct reader {
    struct jpeg_client client; /* first: libjpeg's client_data is both */
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf come_back;
    struct span bytes;
    const struct image_limits *limits;
    uint32_t min_side_px;
    const struct decode_sink *sink; /* NULL: only the header is read */
    struct image_info info;
    uint8_t *batch; /* [BATCH_ROWS, row_bytes], of output's pixels */
    size_t row_bytes;
    uint8_t *rgb;        /* [BATCH_ROWS, window's width, 3], for files of four components */
    bool is_plain_again; /* the shortcut was given up */
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
    /* Rows as they come, and those of CMYK once more as RGB. */
    unsigned bytes_per_px = jpeg->num_components == 4 ? 4 + PIXEL_BYTES : PIXEL_BYTES;
    reader->info = (struct image_info){
        IMAGE_FORMAT_JPEG, jpeg->image_width, jpeg->image_height, find_orientation(jpeg),
        image_decode_bytes(jpeg->image_width, BATCH_ROWS, bytes_per_px, coefficient_bytes(jpeg))};
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

/* The next `count` rows into the batch. */
static void read_batch(struct reader *reader, uint32_t count)
{
    JSAMPROW rows[BATCH_ROWS];
    for (uint32_t i = 0; i < count; i++)
        rows[i] = reader->batch + reader->row_bytes * i;
    for (uint32_t done = 0; done < count;) {
        JDIMENSION more = jpeg_read_scanlines(&reader->jpeg, rows + done, count - done);
        if (more == 0)
            stop(reader, STATUS_NOT_DECODABLE, "the file ends before the image does");
        done += more;
    }
}

/* `x_px` is where the window begins in the batch's rows. */
static void put_batch(struct reader *reader, uint32_t x_px, uint32_t width_px, uint32_t count)
{
    const struct decode_sink *sink = reader->sink;
    if (!reader->rgb) {
        sink->put(sink->user, reader->batch + PIXEL_BYTES * (size_t)x_px, reader->row_bytes, count);
        return;
    }
    size_t stride_bytes = PIXEL_BYTES * (size_t)width_px;
    for (uint32_t i = 0; i < count; i++)
        cmyk_to_rgb(reader->batch + reader->row_bytes * i + 4 * (size_t)x_px, width_px,
                    reader->rgb + stride_bytes * i);
    sink->put(sink->user, reader->rgb, stride_bytes, count);
}

/* All rows up to `end`; hands on what is wanted of them. Rows of the batch begin at `x_px`. */
static void read_rows(struct reader *reader, uint32_t end, const struct image_window *wanted,
                      uint32_t x_px)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    if (reader->client.shortcut)
        jpeg_shortcut_want(jpeg, wanted != NULL);
    while (jpeg->output_scanline < end) {
        uint32_t left = end - jpeg->output_scanline, count = left < BATCH_ROWS ? left : BATCH_ROWS;
        read_batch(reader, count);
        if (wanted)
            put_batch(reader, wanted->x_px - x_px, wanted->width_px, count);
    }
}

/* What lies below the window has to be there too, but a file in several scans has been read to its
 * end by now. Does not look for the end marker: once all rows are there, PIL does not miss it. */
static void read_window(struct reader *reader, const struct image_window *window, uint32_t x_px)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    read_rows(reader, window->y_px, NULL, 0);
    read_rows(reader, window->y_px + window->height_px, window, x_px);
    if (reader->client.shortcut)
        jpeg_shortcut_finish(jpeg);
    else if (!jpeg_has_multiple_scans(jpeg))
        read_rows(reader, jpeg->output_height, NULL, 0);
}

/* Halves as long as the shorter side is long enough. */
static void scale_dct(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    uint32_t width = jpeg->image_width, height = jpeg->image_height,
             side = width < height ? width : height;
    jpeg->scale_num = jpeg->scale_denom = 1;
    while (reader->min_side_px > 0 && jpeg->scale_denom < MAX_SHRINKING &&
           side / (2 * jpeg->scale_denom) >= reader->min_side_px)
        jpeg->scale_denom *= 2;
}

static void allocate_batch(struct reader *reader, uint32_t width_px, uint32_t wanted_px)
{
    bool is_cmyk = reader->jpeg.num_components == 4;
    reader->row_bytes = (size_t)width_px * (is_cmyk ? 4 : PIXEL_BYTES);
    reader->batch = alloc_array(BATCH_ROWS, reader->row_bytes, SIZE_MAX);
    if (is_cmyk)
        reader->rgb = alloc_array((size_t)BATCH_ROWS * PIXEL_BYTES, wanted_px, SIZE_MAX);
    if (!reader->batch || (is_cmyk && !reader->rgb))
        stop(reader, STATUS_NO_MEMORY, "no memory for rows");
}

static void read_pixels(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const struct decode_sink *sink = reader->sink;
    struct image_window window = {0};
    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
    scale_dct(reader);
    jpeg_calc_output_dimensions(jpeg);
    enum status status = sink->begin(sink->user, &reader->info, jpeg->output_width,
                                     jpeg->output_height, &window, reader->error);
    if (status != STATUS_OK) {
        reader->status = status;
        longjmp(reader->come_back, 1);
    }
    allocate_batch(reader, jpeg->output_width, window.width_px);
    if (!jpeg_start_decompress(jpeg))
        stop(reader, STATUS_NOT_DECODABLE, "the file ends before the image does");
    uint32_t x_px = 0;
    struct span scan = {jpeg->src->next_input_byte, jpeg->src->bytes_in_buffer};
    if (!reader->is_plain_again && !jpeg_shortcut_take(jpeg, &reader->client, scan, &window, &x_px))
        stop(reader, STATUS_NO_MEMORY, "no memory for Huffman tables");
    read_window(reader, &window, x_px);
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

static void tear_down(struct reader *reader)
{
    jpeg_destroy_decompress(&reader->jpeg);
    jpeg_shortcut_destroy(reader->client.shortcut);
    reader->client.shortcut = NULL;
    free(reader->batch);
    free(reader->rgb);
    reader->batch = reader->rgb = NULL;
}

/* What the shortcut cannot make sense of libjpeg reads from the start. */
static void on_give_up(struct jpeg_client *client)
{
    struct reader *reader = (struct reader *)client;
    reader->is_plain_again = true;
    longjmp(reader->come_back, 1);
}

static enum status read_file(struct reader *reader)
{
    bool is_done = guarded(reader, read_header) && (!reader->sink || guarded(reader, read_pixels));
    tear_down(reader);
    return is_done ? STATUS_OK : reader->status;
}

enum status decode_jpeg_rows(struct span bytes, const struct image_limits *limits,
                             uint32_t min_side_px, const struct decode_sink *sink,
                             struct image_info *ret_info, struct error *error)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a JPEG decoder");
    reader->client.give_up = on_give_up;
    reader->bytes = bytes;
    reader->limits = limits;
    reader->min_side_px = min_side_px;
    reader->sink = sink;
    reader->error = error;
    enum status status = read_file(reader);
    if (reader->is_plain_again)
        status = read_file(reader);
    if (status == STATUS_OK)
        *ret_info = reader->info;
    free(reader);
    return status;
}

/* A sink that keeps the whole image. */
struct keeper {
    struct image image;
    uint32_t rows;
};

static enum status keep_begin(void *user, const struct image_info *info, uint32_t width_px,
                              uint32_t height_px, struct image_window *ret_window,
                              struct error *error)
{
    struct keeper *keeper = user;
    (void)info;
    *ret_window = (struct image_window){0, 0, width_px, height_px};
    keeper->rows = 0;
    return keeper->image.pixels ? STATUS_OK
                                : image_init(width_px, height_px, &keeper->image, error);
}

static void keep_rows(void *user, const uint8_t *rows, size_t stride_bytes, uint32_t count)
{
    struct keeper *keeper = user;
    size_t row_bytes = PIXEL_BYTES * (size_t)keeper->image.width_px;
    for (uint32_t i = 0; i < count; i++)
        memcpy(keeper->image.pixels + row_bytes * keeper->rows++, rows + stride_bytes * i,
               row_bytes);
}

enum status decode_jpeg(struct span bytes, const struct image_limits *limits,
                        struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    struct keeper keeper = {0};
    const struct decode_sink sink = {&keeper, keep_begin, keep_rows};
    enum status status =
        decode_jpeg_rows(bytes, limits, 0, ret_image ? &sink : NULL, ret_info, error);
    if (status != STATUS_OK)
        image_fini(&keeper.image);
    else if (ret_image)
        *ret_image = keeper.image;
    return status;
}
