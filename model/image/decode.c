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
} formats[] = {
    [IMAGE_FORMAT_JPEG] = {"jpeg", decode_jpeg},  [IMAGE_FORMAT_PNG] = {"png", decode_png},
    [IMAGE_FORMAT_WEBP] = {"webp", decode_webp},  [IMAGE_FORMAT_BMP] = {"bmp", decode_stb_bmp},
    [IMAGE_FORMAT_GIF] = {"gif", decode_stb_gif},
};

const char *decode_format_name(enum image_format format)
{
    return formats[format].name;
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

static enum status decode(struct span bytes, const struct image_limits *limits,
                          struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    enum image_format format;
    if (bytes.size == 0)
        return error_set(error, STATUS_UNSUPPORTED, "not an image: there are no bytes");
    if (!decode_sniff(bytes, &format))
        return refuse(bytes, error);
    return formats[format].decode(bytes, limits, ret_image, ret_info, error);
}

enum status decode_header(struct span bytes, const struct image_limits *limits,
                          struct image_info *ret_info, struct error *error)
{
    return decode(bytes, limits, NULL, ret_info, error);
}

enum status decode_image(struct span bytes, const struct image_limits *limits,
                         struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    return decode(bytes, limits, ret_image, ret_info, error);
}
