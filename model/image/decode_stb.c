#include "model/image/decode_stb.h"

#include <assert.h>
#include <stdlib.h>

#include "model/image/bmp_header.h"
#include "model/image/gif_frame.h"
#include "model/image/orientation.h"
#include "vendor/stb/stb_loader.h"

/* What stb_image holds at most, beside the rewritten file: of a BMP the pixels, of a GIF RGBA twice
 * and a byte of history. */
enum { BMP_PIXEL_BYTES = 3, GIF_PIXEL_BYTES = 4 + 4 + 1 };

static enum status load(const uint8_t *bytes, size_t size, uint32_t width_px, uint32_t height_px,
                        unsigned channels, uint8_t **ret_pixels, struct error *error)
{
    switch (stb_loader_load(bytes, size, width_px, height_px, channels, ret_pixels)) {
    case STB_LOADER_OK:
        return STATUS_OK;
    case STB_LOADER_NO_MEMORY:
        return error_set(error, STATUS_NO_MEMORY, "no memory for decoding a BMP or GIF file");
    case STB_LOADER_TOO_LARGE:
        return error_set(error, STATUS_TOO_LARGE, "BMP and GIF files over 2 GiB are not read");
    case STB_LOADER_UNUSUAL:
        return error_set(error, STATUS_UNSUPPORTED,
                         "GIF files that do without clear codes are not read");
    case STB_LOADER_BROKEN:
        break;
    }
    return error_set(error, STATUS_NOT_DECODABLE, "the image data is broken");
}

static uint8_t rescaled(unsigned widened, unsigned shift, unsigned top)
{
    return (uint8_t)((widened >> shift) * 255 / top);
}

/* stb_image widens 5 and 6 bits by repeating the high ones, PIL by value * 255 / highest. The high
 * bits of the former are the value, so that the latter can be had from it. */
static void rescale_narrow(const struct bmp_header *header, struct image *image)
{
    size_t count = (size_t)image->width_px * image->height_px;
    bool has_six_green_bits = header->masks[1] == 0x7E0;
    unsigned green_shift = has_six_green_bits ? 2 : 3, green_top = has_six_green_bits ? 63 : 31;
    for (size_t i = 0; i < count; i++) {
        uint8_t *pixel = image->pixels + 3 * i;
        pixel[0] = rescaled(pixel[0], 3, 31);
        pixel[1] = rescaled(pixel[1], green_shift, green_top);
        pixel[2] = rescaled(pixel[2], 3, 31);
    }
}

static enum status load_bmp(const struct bmp_header *header, struct image *ret_image,
                            struct error *error)
{
    uint8_t *plain = NULL, *pixels = NULL;
    size_t size = 0;
    enum status status = bmp_header_rewrite(header, &plain, &size, error);
    if (status == STATUS_OK)
        status = load(plain, size, header->width_px, header->height_px, 3, &pixels, error);
    free(plain);
    if (status != STATUS_OK)
        return status;
    *ret_image = (struct image){header->width_px, header->height_px, pixels};
    if (header->bits == 16)
        rescale_narrow(header, ret_image);
    return STATUS_OK;
}

enum status decode_stb_bmp(struct span bytes, const struct image_limits *limits,
                           struct image *ret_image, struct image_info *ret_info,
                           struct error *error)
{
    struct bmp_header header;
    enum status status = bmp_header_parse(bytes, &header, error);
    if (status == STATUS_OK)
        status = image_check_limits(header.width_px, header.height_px, limits, error);
    if (status == STATUS_OK && ret_image)
        status = load_bmp(&header, ret_image, error);
    if (status == STATUS_OK)
        *ret_info = (struct image_info){
            IMAGE_FORMAT_BMP, header.width_px, header.height_px, ORIENTATION_UPRIGHT,
            image_decode_bytes(header.width_px, header.height_px, BMP_PIXEL_BYTES, bytes.size)};
    return status;
}

/* Puts the frame's RGBA on its place of the screen. stb_image leaves alpha at 0 where the data
 * ended before the frame did. */
static enum status place_frame(const struct gif_frame *frame, const uint8_t *rgba,
                               struct image *screen, struct error *error)
{
    assert(frame->x_px + frame->width_px <= screen->width_px);
    assert(frame->y_px + frame->height_px <= screen->height_px);
    for (uint32_t y = 0; y < frame->height_px; y++) {
        size_t start = (size_t)(frame->y_px + y) * screen->width_px + frame->x_px;
        uint8_t *pixel = screen->pixels + 3 * start;
        for (uint32_t x = 0; x < frame->width_px; x++, rgba += 4, pixel += 3) {
            if (rgba[3] == 0)
                return error_set(error, STATUS_NOT_DECODABLE,
                                 "GIF: the data ends before the image does");
            memcpy(pixel, rgba, 3);
        }
    }
    return STATUS_OK;
}

static enum status fill_screen(const struct gif_frame *frame, struct image *ret_screen,
                               struct error *error)
{
    enum status status =
        image_init(frame->screen_width_px, frame->screen_height_px, ret_screen, error);
    if (status != STATUS_OK)
        return status;
    size_t count = (size_t)ret_screen->width_px * ret_screen->height_px;
    for (size_t i = 0; i < count; i++)
        memcpy(ret_screen->pixels + 3 * i, frame->palette[frame->background], 3);
    return STATUS_OK;
}

static enum status load_gif(const struct gif_frame *frame, struct image *ret_image,
                            struct error *error)
{
    uint8_t *plain = NULL, *rgba = NULL;
    size_t size = 0;
    struct image screen = {0};
    enum status status = gif_frame_rewrite(frame, &plain, &size, error);
    if (status == STATUS_OK)
        status = load(plain, size, frame->width_px, frame->height_px, 4, &rgba, error);
    free(plain);
    if (status == STATUS_OK)
        status = fill_screen(frame, &screen, error);
    if (status == STATUS_OK)
        status = place_frame(frame, rgba, &screen, error);
    free(rgba);
    if (status == STATUS_OK)
        *ret_image = screen;
    else
        image_fini(&screen);
    return status;
}

enum status decode_stb_gif(struct span bytes, const struct image_limits *limits,
                           struct image *ret_image, struct image_info *ret_info,
                           struct error *error)
{
    struct gif_frame frame;
    enum status status = gif_frame_parse(bytes, &frame, error);
    if (status == STATUS_OK)
        status = image_check_limits(frame.screen_width_px, frame.screen_height_px, limits, error);
    if (status == STATUS_OK && ret_image)
        status = load_gif(&frame, ret_image, error);
    if (status == STATUS_OK)
        *ret_info = (struct image_info){
            IMAGE_FORMAT_GIF, frame.screen_width_px, frame.screen_height_px, ORIENTATION_UPRIGHT,
            image_decode_bytes(frame.screen_width_px, frame.screen_height_px, GIF_PIXEL_BYTES,
                               bytes.size)};
    return status;
}
