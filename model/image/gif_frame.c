#include "model/image/gif_frame.h"

#include <stdlib.h>

#include "model/base/alloc.h"

#define SCREEN_BYTES     13U
#define DESCRIPTOR_BYTES 9U
#define PALETTE_BYTES    768U

enum label { LABEL_EXTENSION = 0x21, LABEL_IMAGE = 0x2C, LABEL_END = 0x3B, LABEL_CONTROL = 0xF9 };

bool gif_frame_sniff(struct span file)
{
    return span_has(file, 0, "GIF87a", 6) || span_has(file, 0, "GIF89a", 6);
}

/* Moves `at` over data blocks up to and with the empty one; false where the file ends before, and
 * then `at` stands after the last complete block. */
static bool skip_blocks(struct span file, uint64_t *at)
{
    uint64_t length;
    struct span block;
    while (span_read_le(file, *at, 1, &length)) {
        if (length == 0) {
            (*at)++;
            return true;
        }
        if (!span_slice(file, *at + 1, length, &block))
            return false;
        *at += 1 + length;
    }
    return false;
}

/* A palette of 2 << (flags & 7) colours at `at`, over a ramp of greys. */
static bool read_palette(struct span file, uint64_t flags, uint64_t *at, uint8_t palette[256][3])
{
    struct span colors;
    for (unsigned i = 0; i < 256; i++)
        memset(palette[i], (int)i, 3);
    if ((flags & 0x80) == 0)
        return true;
    size_t bytes = (size_t)6 << (flags & 7);
    if (!span_slice(file, *at, bytes, &colors))
        return false;
    memcpy(palette, colors.data, bytes);
    *at += bytes;
    return true;
}

/* One extension, whose label is at `at`; the graphic control one may name the index that is
 * transparent, and that is what PIL fills the screen with. */
static bool read_extension(struct span file, uint64_t *at, uint8_t *background)
{
    uint64_t label, length, flags, index;
    if (!span_read_le(file, *at, 1, &label) || !span_read_le(file, *at + 1, 1, &length))
        return false;
    if (label == LABEL_CONTROL && length >= 4 && span_read_le(file, *at + 2, 1, &flags) &&
        span_read_le(file, *at + 5, 1, &index) && (flags & 1))
        *background = (uint8_t)index;
    (*at)++;
    return skip_blocks(file, at);
}

/* Finds the first image descriptor and leaves `at` behind its label. */
static bool find_image(struct span file, uint64_t *at, uint8_t *background)
{
    uint64_t label;
    while (span_read_le(file, *at, 1, &label)) {
        (*at)++;
        if (label == LABEL_IMAGE)
            return true;
        if (label == LABEL_END)
            return false;
        if (label == LABEL_EXTENSION && !read_extension(file, at, background))
            return false;
    }
    return false;
}

static bool read_descriptor(struct span file, uint64_t *at, struct gif_frame *frame,
                            uint64_t *ret_flags)
{
    uint64_t x, y, width, height;
    if (!span_read_le(file, *at, 2, &x) || !span_read_le(file, *at + 2, 2, &y) ||
        !span_read_le(file, *at + 4, 2, &width) || !span_read_le(file, *at + 6, 2, &height) ||
        !span_read_le(file, *at + 8, 1, ret_flags))
        return false;
    *at += DESCRIPTOR_BYTES;
    frame->x_px = (uint32_t)x;
    frame->y_px = (uint32_t)y;
    frame->width_px = (uint32_t)width;
    frame->height_px = (uint32_t)height;
    frame->is_interlaced = (*ret_flags & 0x40) != 0;
    if (frame->screen_width_px < x + width)
        frame->screen_width_px = (uint32_t)(x + width);
    if (frame->screen_height_px < y + height)
        frame->screen_height_px = (uint32_t)(y + height);
    return true;
}

static bool read_screen(struct span file, uint64_t *at, struct gif_frame *frame)
{
    uint64_t width, height, flags;
    if (!gif_frame_sniff(file) || !span_read_le(file, 6, 2, &width) ||
        !span_read_le(file, 8, 2, &height) || !span_read_le(file, 10, 1, &flags))
        return false;
    frame->screen_width_px = (uint32_t)width;
    frame->screen_height_px = (uint32_t)height;
    *at = SCREEN_BYTES;
    return read_palette(file, flags, at, frame->palette);
}

/* Of blocks that are cut off the complete ones are kept: they may hold all pixels, and PIL works so
 * too. */
static bool read_blocks(struct span file, uint64_t at, struct gif_frame *frame)
{
    uint64_t code_bits, end = at + 1;
    if (!span_read_le(file, at, 1, &code_bits))
        return false;
    frame->code_bits = (uint8_t)code_bits;
    if (skip_blocks(file, &end))
        end--;
    return span_slice(file, at + 1, end - at - 1, &frame->blocks);
}

enum status gif_frame_parse(struct span file, struct gif_frame *ret_frame, struct error *error)
{
    struct gif_frame frame = {0};
    uint64_t at = 0, flags = 0;
    bool is_read = read_screen(file, &at, &frame) && find_image(file, &at, &frame.background) &&
                   read_descriptor(file, &at, &frame, &flags);
    if (is_read && (flags & 0x80))
        is_read = read_palette(file, flags, &at, frame.palette);
    if (!is_read || !read_blocks(file, at, &frame))
        return error_set(error, STATUS_NOT_DECODABLE, "GIF: the file ends before its first frame");
    if (frame.width_px == 0 || frame.height_px == 0)
        return error_set(error, STATUS_NOT_DECODABLE, "GIF: the first frame has no pixels");
    *ret_frame = frame;
    return STATUS_OK;
}

static void put_size(uint8_t *at, uint32_t width, uint32_t height)
{
    at[0] = (uint8_t)width;
    at[1] = (uint8_t)(width >> 8);
    at[2] = (uint8_t)height;
    at[3] = (uint8_t)(height >> 8);
}

enum status gif_frame_rewrite(const struct gif_frame *frame, uint8_t **ret_bytes, size_t *ret_size,
                              struct error *error)
{
    static const uint8_t magic[] = {'G', 'I', 'F', '8', '9', 'a'};
    enum { HEAD_BYTES = SCREEN_BYTES + PALETTE_BYTES, TAIL_BYTES = 2 };
    size_t before = HEAD_BYTES + 1 + DESCRIPTOR_BYTES + 1, size;
    uint8_t *bytes = NULL;
    if (checked_add(before + TAIL_BYTES, frame->blocks.size, &size))
        bytes = alloc_array(size, 1, SIZE_MAX);
    if (!bytes)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a GIF file");
    memcpy(bytes, magic, sizeof magic);
    put_size(bytes + 6, frame->width_px, frame->height_px);
    bytes[10] = 0x80 | 7;
    memcpy(bytes + SCREEN_BYTES, frame->palette, PALETTE_BYTES);
    bytes[HEAD_BYTES] = LABEL_IMAGE;
    put_size(bytes + HEAD_BYTES + 5, frame->width_px, frame->height_px);
    bytes[HEAD_BYTES + 9] = frame->is_interlaced ? 0x40 : 0;
    bytes[HEAD_BYTES + 10] = frame->code_bits;
    if (frame->blocks.size > 0)
        memcpy(bytes + before, frame->blocks.data, frame->blocks.size);
    bytes[size - 1] = LABEL_END;
    *ret_bytes = bytes;
    *ret_size = size;
    return STATUS_OK;
}
