#include "model/image/bmp_header.h"

#include <stdlib.h>

#include "model/base/alloc.h"

#define FILE_HEADER_BYTES  14U
#define PLAIN_HEADER_BYTES 40U

enum compression { COMPRESSION_NONE, COMPRESSION_RLE8, COMPRESSION_RLE4, COMPRESSION_BITFIELDS };

/* The header's fields as they stand in the file. */
struct fields {
    uint64_t header_bytes, width, height, bits, compression, colors, offset;
    uint64_t masks[4];
    uint64_t palette_at;
    unsigned color_bytes; /* an entry of the palette */
};

static bool is_known_size(uint64_t header_bytes)
{
    return header_bytes == 12 || header_bytes == 40 || header_bytes == 64 || header_bytes == 108 ||
           header_bytes == 124;
}

bool bmp_header_sniff(struct span file)
{
    uint64_t header_bytes;
    return span_has(file, 0, "BM", 2) && span_read_le(file, FILE_HEADER_BYTES, 4, &header_bytes) &&
           is_known_size(header_bytes);
}

/* OS/2's first header: 16-bit sizes, three bytes a colour. */
static bool read_old_fields(struct span header, struct fields *fields)
{
    fields->compression = COMPRESSION_NONE;
    fields->colors = 0;
    fields->color_bytes = 3;
    return span_read_le(header, 4, 2, &fields->width) &&
           span_read_le(header, 6, 2, &fields->height) &&
           span_read_le(header, 10, 2, &fields->bits);
}

static bool read_new_fields(struct span header, struct fields *fields)
{
    fields->color_bytes = 4;
    return span_read_le(header, 4, 4, &fields->width) &&
           span_read_le(header, 8, 4, &fields->height) &&
           span_read_le(header, 14, 2, &fields->bits) &&
           span_read_le(header, 16, 4, &fields->compression) &&
           span_read_le(header, 32, 4, &fields->colors);
}

/* The masks are part of the long headers and follow the short one (three of them then). */
static bool read_masks(struct span file, struct fields *fields)
{
    uint64_t at = FILE_HEADER_BYTES + 40;
    bool is_inside = fields->header_bytes >= 56;
    for (uint64_t i = 0; i < (is_inside ? 4 : 3); i++)
        if (!span_read_le(file, at + 4 * i, 4, &fields->masks[i]))
            return false;
    if (!is_inside)
        fields->palette_at += 12;
    return true;
}

static bool read_fields(struct span file, struct fields *fields)
{
    struct span header;
    if (!span_read_le(file, 10, 4, &fields->offset) ||
        !span_read_le(file, FILE_HEADER_BYTES, 4, &fields->header_bytes) ||
        !span_slice(file, FILE_HEADER_BYTES, fields->header_bytes, &header))
        return false;
    fields->palette_at = FILE_HEADER_BYTES + fields->header_bytes;
    bool is_read = fields->header_bytes == 12 ? read_old_fields(header, fields)
                                              : read_new_fields(header, fields);
    return is_read && (fields->compression != COMPRESSION_BITFIELDS || read_masks(file, fields));
}

/* Only masks that PIL knows; stb_image would take any. */
static bool take_masks(const struct fields *fields, uint32_t masks[3])
{
    static const struct {
        uint32_t bits, file[4], use[3];
    } known[] = {
        {16, {0xF800, 0x7E0, 0x1F}, {0xF800, 0x7E0, 0x1F}},
        {16, {0x7C00, 0x3E0, 0x1F}, {0x7C00, 0x3E0, 0x1F}},
        {24, {0xFF0000, 0xFF00, 0xFF}, {0xFF0000, 0xFF00, 0xFF}},
        {32, {0xFF0000, 0xFF00, 0xFF, 0}, {0xFF0000, 0xFF00, 0xFF}},
        {32, {0xFF0000, 0xFF00, 0xFF, 0xFF000000}, {0xFF0000, 0xFF00, 0xFF}},
        {32, {0xFF000000, 0xFF0000, 0xFF00, 0}, {0xFF000000, 0xFF0000, 0xFF00}},
        {32, {0xFF000000, 0xFF0000, 0xFF00, 0xFF}, {0xFF000000, 0xFF0000, 0xFF00}},
        {32, {0xFF, 0xFF00, 0xFF0000, 0xFF000000}, {0xFF, 0xFF00, 0xFF0000}},
        {32, {0, 0, 0, 0}, {0xFF0000, 0xFF00, 0xFF}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        unsigned compared = known[i].bits == 32 ? 4 : 3;
        bool is_it = known[i].bits == fields->bits;
        for (unsigned m = 0; m < compared; m++)
            is_it = is_it && known[i].file[m] == fields->masks[m];
        if (is_it) {
            memcpy(masks, known[i].use, sizeof known[i].use);
            return true;
        }
    }
    return false;
}

static enum status check_kind(const struct fields *fields, struct bmp_header *header,
                              struct error *error)
{
    static const uint32_t defaults[2][3] = {{0x7C00, 0x3E0, 0x1F}, {0xFF0000, 0xFF00, 0xFF}};
    if (fields->bits != 1 && fields->bits != 4 && fields->bits != 8 && fields->bits != 16 &&
        fields->bits != 24 && fields->bits != 32)
        return error_set(error, STATUS_UNSUPPORTED, "a BMP file of %u bits a pixel is not read",
                         (unsigned)fields->bits);
    if (fields->compression == COMPRESSION_RLE8 || fields->compression == COMPRESSION_RLE4)
        return error_set(error, STATUS_UNSUPPORTED, "run-length coded BMP files are not read");
    if (fields->compression > COMPRESSION_BITFIELDS)
        return error_set(error, STATUS_UNSUPPORTED, "a BMP file of compression %u is not read",
                         (unsigned)fields->compression);
    header->bits = (unsigned)fields->bits;
    if (fields->compression == COMPRESSION_NONE)
        memcpy(header->masks, defaults[fields->bits != 16], sizeof header->masks);
    else if (!take_masks(fields, header->masks))
        return error_set(error, STATUS_UNSUPPORTED, "a BMP file with these bit masks is not read");
    return STATUS_OK;
}

/* Heights are signed: from the top down where negative. */
static enum status take_size(const struct fields *fields, struct bmp_header *header,
                             struct error *error)
{
    bool is_negative = fields->header_bytes != 12 && fields->height >> 31 != 0;
    header->is_top_down = is_negative;
    header->width_px = (uint32_t)fields->width;
    header->height_px =
        (uint32_t)(is_negative ? ((uint64_t)1 << 32) - fields->height : fields->height);
    if (header->width_px > INT32_MAX || header->height_px > INT32_MAX)
        return error_set(error, STATUS_NOT_DECODABLE, "BMP: the size is negative");
    return STATUS_OK;
}

static enum status take_palette(struct span file, const struct fields *fields, uint64_t colors,
                                struct bmp_header *header, struct error *error)
{
    struct span palette;
    for (unsigned i = 0; i < 256; i++)
        memset(header->palette[i], (int)i, 3);
    if (header->bits > 8)
        return STATUS_OK;
    if (colors > 256)
        return error_set(error, STATUS_UNSUPPORTED, "BMP: more than 256 colours in the palette");
    if (!span_slice(file, fields->palette_at, colors * fields->color_bytes, &palette))
        return error_set(error, STATUS_NOT_DECODABLE, "BMP: the file ends in its palette");
    for (uint64_t i = 0; i < colors; i++)
        memcpy(header->palette[i], palette.data + i * fields->color_bytes, 3);
    return STATUS_OK;
}

enum status bmp_header_parse(struct span file, struct bmp_header *ret_header, struct error *error)
{
    struct fields fields = {0};
    struct bmp_header header = {0};
    if (!bmp_header_sniff(file) || !read_fields(file, &fields))
        return error_set(error, STATUS_NOT_DECODABLE, "BMP: the file ends in its header");
    enum status status = check_kind(&fields, &header, error);
    if (status == STATUS_OK)
        status = take_size(&fields, &header, error);
    if (status != STATUS_OK)
        return status;
    uint64_t colors = fields.colors ? fields.colors : (uint64_t)1 << fields.bits;
    status = take_palette(file, &fields, colors, &header, error);
    if (status != STATUS_OK)
        return status;

    /* Two habits of writers that PIL makes up for: an offset that points at the palette, and none.
     */
    bool has_palette = header.bits <= 8;
    if (has_palette && fields.offset == FILE_HEADER_BYTES + fields.header_bytes)
        fields.offset += 4 * colors;
    if (fields.offset == 0)
        fields.offset = fields.palette_at + (has_palette ? colors * fields.color_bytes : 0);
    if (fields.offset > file.size ||
        !span_slice(file, fields.offset, file.size - fields.offset, &header.pixels))
        return error_set(error, STATUS_NOT_DECODABLE, "BMP: the file ends before its pixels");
    *ret_header = header;
    return STATUS_OK;
}

static void put(uint8_t *at, unsigned bytes, uint32_t value)
{
    for (unsigned i = 0; i < bytes; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

/* Everything before the rows. `extra_bytes` are the masks or the palette. */
static void put_head(const struct bmp_header *header, size_t extra_bytes, uint8_t *bytes)
{
    uint32_t offset = FILE_HEADER_BYTES + PLAIN_HEADER_BYTES + (uint32_t)extra_bytes;
    bool has_masks = header->bits == 16 || header->bits == 32;
    uint8_t *extra = bytes + FILE_HEADER_BYTES + PLAIN_HEADER_BYTES;
    bytes[0] = 'B';
    bytes[1] = 'M';
    put(bytes + 10, 4, offset);
    put(bytes + 14, 4, PLAIN_HEADER_BYTES);
    put(bytes + 18, 4, header->width_px);
    put(bytes + 22, 4, header->is_top_down ? 0U - header->height_px : header->height_px);
    put(bytes + 26, 2, 1);
    put(bytes + 28, 2, header->bits);
    put(bytes + 30, 4, has_masks ? COMPRESSION_BITFIELDS : COMPRESSION_NONE);
    if (has_masks)
        for (size_t i = 0; i < 3; i++)
            put(extra + 4 * i, 4, header->masks[i]);
    else
        memcpy(extra, header->palette, extra_bytes);
}

enum status bmp_header_rewrite(const struct bmp_header *header, uint8_t **ret_bytes,
                               size_t *ret_size, struct error *error)
{
    /* Both sides are below 2^31 and a pixel is at most 32 bits, so 64 bits hold all of this. */
    uint64_t row_bits = (uint64_t)header->width_px * header->bits;
    uint64_t stride = (row_bits + 31) / 32 * 4, row_bytes = (row_bits + 7) / 8;
    uint64_t needed = stride * (header->height_px - 1) + row_bytes;
    if (header->pixels.size < needed)
        return error_set(error, STATUS_NOT_DECODABLE, "BMP: the file ends before the image does");
    size_t extra = header->bits <= 8 ? sizeof header->palette : header->bits == 24 ? 0 : 12;
    size_t head = FILE_HEADER_BYTES + PLAIN_HEADER_BYTES + extra, size;
    uint8_t *bytes = NULL;
    /* The last row's padding may be missing in the file; it is zero here. */
    if (checked_add(head, stride * header->height_px, &size))
        bytes = alloc_array(size, 1, SIZE_MAX);
    if (!bytes)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a BMP file");
    put_head(header, extra, bytes);
    memcpy(bytes + head, header->pixels.data, needed);
    *ret_bytes = bytes;
    *ret_size = size;
    return STATUS_OK;
}
