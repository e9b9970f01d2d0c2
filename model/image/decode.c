#include "model/image/decode.h"

#include "model/image/bmp_header.h"
#include "model/image/decode_jpeg.h"
#include "model/image/decode_png.h"
#include "model/image/decode_stb.h"
#include "model/image/decode_webp.h"
#include "model/image/foreign.h"
#include "model/image/gif_frame.h"

static const struct {
    const char *name;
    enum status (*decode)(struct span bytes, const struct image_limits *limits,
                          struct image *ret_image, struct image_info *ret_info,
                          struct error *error);
    /* NULL: only as a whole. */
    enum status (*decode_rows)(struct span bytes, const struct image_limits *limits,
                               uint32_t min_side_px, const struct decode_sink *sink,
                               struct image_info *ret_info, struct error *error);
} formats[] = {
    [IMAGE_FORMAT_JPEG] = {"jpeg", decode_jpeg, decode_jpeg_rows},
    [IMAGE_FORMAT_PNG] = {"png", decode_png, NULL},
    [IMAGE_FORMAT_WEBP] = {"webp", decode_webp, NULL},
    [IMAGE_FORMAT_BMP] = {"bmp", decode_stb_bmp, NULL},
    [IMAGE_FORMAT_GIF] = {"gif", decode_stb_gif, NULL},
};

const char *decode_format_name(enum image_format format)
{
    return formats[format].name;
}

bool decode_is_by_rows(enum image_format format)
{
    return formats[format].decode_rows != NULL;
}

static bool is_webp(struct span bytes)
{
    return span_has(bytes, 0, "RIFF", 4) && span_has(bytes, 8, "WEBPVP8", 7);
}

bool decode_sniff(struct span bytes, enum image_format *ret_format)
{
    enum image_format format;
    if (span_has(bytes, 0, "\xFF\xD8\xFF", 3))
        format = IMAGE_FORMAT_JPEG;
    else if (span_has(bytes, 0, "\x89PNG\r\n\x1A\n", 8))
        format = IMAGE_FORMAT_PNG;
    else if (is_webp(bytes))
        format = IMAGE_FORMAT_WEBP;
    else if (gif_frame_sniff(bytes))
        format = IMAGE_FORMAT_GIF;
    else if (bmp_header_sniff(bytes))
        format = IMAGE_FORMAT_BMP;
    else
        return false;
    *ret_format = format;
    return true;
}

static enum status refuse(struct span bytes, struct error *error)
{
    const char *name = foreign_name(bytes);
    return error_set(error, STATUS_UNSUPPORTED,
                     "not an image that is read here%s%s (JPEG, PNG, WebP, BMP and GIF are)",
                     name ? " but " : "", name ? name : "");
}

static enum status find_format(struct span bytes, enum image_format *ret_format,
                               struct error *error)
{
    if (bytes.size == 0)
        return error_set(error, STATUS_UNSUPPORTED, "not an image: there are no bytes");
    return decode_sniff(bytes, ret_format) ? STATUS_OK : refuse(bytes, error);
}

enum status decode_image(struct span bytes, const struct image_limits *limits,
                         struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    enum image_format format = IMAGE_FORMAT_JPEG;
    enum status status = find_format(bytes, &format, error);
    return status ? status : formats[format].decode(bytes, limits, ret_image, ret_info, error);
}

enum status decode_header(struct span bytes, const struct image_limits *limits,
                          struct image_info *ret_info, struct error *error)
{
    return decode_image(bytes, limits, NULL, ret_info, error);
}

/* Hands out an image that is there as a whole. */
static enum status put_image(const struct image *image, const struct image_info *info,
                             const struct decode_sink *sink, struct error *error)
{
    struct image_window window = {0};
    enum status status =
        sink->begin(sink->user, info, image->width_px, image->height_px, &window, error);
    if (status != STATUS_OK)
        return status;
    size_t stride_bytes = 3 * (size_t)image->width_px;
    sink->put(sink->user, image->pixels + stride_bytes * window.y_px + 3 * (size_t)window.x_px,
              stride_bytes, window.height_px);
    return STATUS_OK;
}

enum status decode_rows(struct span bytes, const struct image_limits *limits, uint32_t min_side_px,
                        const struct decode_sink *sink, struct image_info *ret_info,
                        struct error *error)
{
    enum image_format format = IMAGE_FORMAT_JPEG;
    enum status status = find_format(bytes, &format, error);
    if (status != STATUS_OK)
        return status;
    if (formats[format].decode_rows)
        return formats[format].decode_rows(bytes, limits, min_side_px, sink, ret_info, error);
    struct image image = {0};
    struct image_info info;
    status = formats[format].decode(bytes, limits, &image, &info, error);
    if (status != STATUS_OK)
        return status;
    status = put_image(&image, &info, sink, error);
    image_fini(&image);
    if (status == STATUS_OK)
        *ret_info = info;
    return status;
}
