#include "model/image/decode_png.h"

#include <setjmp.h>
#include <stdlib.h>

#include <png.h>

#include "model/image/png_metadata.h"

/* libpng works on rows, also where a file is interlaced. */
enum { PIXEL_BYTES = 3 };

/* As in decode_jpeg.c: libpng leaves by longjmp, what must outlive that lives here. */
struct reader {
    png_structp png;
    png_infop png_info;
    jmp_buf come_back;
    struct span rest; /* not yet read */
    const struct image_limits *limits;
    uint32_t width_px, height_px;
    struct image image;
    enum status status;
    struct error *error;
};

static _Noreturn void stop(struct reader *reader, enum status status, const char *text)
{
    reader->status = error_set(reader->error, status, "PNG: %s", text);
    longjmp(reader->come_back, 1);
}

static _Noreturn void on_error(png_structp png, png_const_charp text)
{
    stop(png_get_error_ptr(png), STATUS_NOT_DECODABLE, text);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep into, size_t count)
{
    struct reader *reader = png_get_io_ptr(png);
    struct span taken;
    if (!span_slice(reader->rest, 0, count, &taken))
        stop(reader, STATUS_NOT_DECODABLE, "the file ends before the image does");
    memcpy(into, taken.data, count);
    reader->rest.data += count;
    reader->rest.size -= count;
}

static void read_header(struct reader *reader)
{
    png_structp png = reader->png;
    png_set_read_fn(png, reader, on_read);
    /* Neither profiles nor texts are wanted, so they are not unpacked; image_check_limits is the
     * judge of sizes, not libpng's own limit. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png, reader->png_info);
    reader->width_px = png_get_image_width(png, reader->png_info);
    reader->height_px = png_get_image_height(png, reader->png_info);
    enum status status =
        image_check_limits(reader->width_px, reader->height_px, reader->limits, reader->error);
    if (status != STATUS_OK) {
        reader->status = status;
        longjmp(reader->come_back, 1);
    }
}

/* PIL's palettes begin as a ramp of greys: an index that the file gives no colour for is its own
 * grey there. */
static void complete_palette(struct reader *reader)
{
    png_colorp colors;
    int count;
    if (!png_get_PLTE(reader->png, reader->png_info, &colors, &count))
        stop(reader, STATUS_NOT_DECODABLE, "there is no palette");
    png_color full[256];
    for (int i = 0; i < 256; i++) {
        png_byte grey = (png_byte)i;
        full[i] = i < count ? colors[i] : (png_color){grey, grey, grey};
    }
    png_set_PLTE(reader->png, reader->png_info, full,
                 1 << png_get_bit_depth(reader->png, reader->png_info));
}

static void ask_for_rgb(struct reader *reader)
{
    png_structp png = reader->png;
    png_byte type = png_get_color_type(png, reader->png_info);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        complete_palette(reader);
        png_set_palette_to_rgb(png);
    } else if ((type & PNG_COLOR_MASK_COLOR) == 0) {
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_gray_to_rgb(png);
    }
    png_set_strip_16(png);
    png_set_strip_alpha(png);
}

static void read_pixels(struct reader *reader)
{
    png_structp png = reader->png;
    ask_for_rgb(reader);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, reader->png_info);
    size_t row_bytes = 3 * (size_t)reader->width_px;
    if (png_get_rowbytes(png, reader->png_info) != row_bytes)
        stop(reader, STATUS_INTERNAL, "rows of an unexpected size");
    enum status status =
        image_init(reader->width_px, reader->height_px, &reader->image, reader->error);
    if (status != STATUS_OK) {
        reader->status = status;
        longjmp(reader->come_back, 1);
    }
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < reader->height_px; y++)
            png_read_row(png, reader->image.pixels + row_bytes * y, NULL);
    png_read_end(png, NULL);
}

static bool guarded(struct reader *reader, void (*step)(struct reader *reader))
{
    if (setjmp(reader->come_back))
        return false;
    step(reader);
    return true;
}

enum status decode_png(struct span bytes, const struct image_limits *limits,
                       struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a PNG decoder");
    reader->rest = bytes;
    reader->limits = limits;
    reader->error = error;
    reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, on_error, on_warning);
    reader->png_info = reader->png ? png_create_info_struct(reader->png) : NULL;
    bool is_done = false;
    if (!reader->png_info)
        reader->status = error_set(error, STATUS_NO_MEMORY, "no memory for a PNG decoder");
    else
        is_done = guarded(reader, read_header) && (!ret_image || guarded(reader, read_pixels));
    enum status status = is_done ? STATUS_OK : reader->status;
    png_destroy_read_struct(&reader->png, &reader->png_info, NULL);
    if (is_done) {
        *ret_info = (struct image_info){
            IMAGE_FORMAT_PNG, reader->width_px, reader->height_px, png_metadata_orientation(bytes),
            image_decode_bytes(reader->width_px, reader->height_px, PIXEL_BYTES, 0)};
        if (ret_image)
            *ret_image = reader->image;
    } else {
        image_fini(&reader->image);
    }
    free(reader);
    return status;
}
