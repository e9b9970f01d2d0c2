#include "model/image/prepare.h"

#include "model/base/clock.h"
#include "model/image/decode.h"
#include "model/image/orientation.h"
#include "model/image/resize.h"

const struct image_limits image_prepare_default_limits = {20000, 100000000};

enum status image_prepare(const struct image_prepare_options *options, struct span bytes,
                          uint8_t *slot, struct image_info *ret_info,
                          struct image_prepare_times *ret_times, struct error *error)
{
    struct image image;
    struct image_info info;
    uint64_t start_us = clock_now_us();
    enum status status = decode_image(bytes, &options->limits, &image, &info, error);
    if (status != STATUS_OK)
        return status;
    uint64_t decoded_us = clock_now_us();
    struct image_view view =
        orientation_view(&image, options->orient ? info.orientation : ORIENTATION_UPRIGHT);
    status = resize_crop(&view, options->resize_px, options->crop_px, slot, error);
    image_fini(&image);
    if (status != STATUS_OK)
        return status;
    *ret_info = info;
    if (ret_times)
        *ret_times =
            (struct image_prepare_times){decoded_us - start_us, clock_now_us() - decoded_us};
    return STATUS_OK;
}

size_t image_prepare_bytes(const struct image_prepare_options *options,
                           const struct image_info *info)
{
    uint32_t side = info->width_px > info->height_px ? info->width_px : info->height_px;
    /* resize.c: the horizontal pass is [rows, crop_px, 3]; for each source pixel of a side up to 16
     * gathered rows and two weights of both axes; for each pixel of the crop some words. */
    uint64_t passed = image_decode_bytes(side, options->crop_px, 3, 0);
    uint64_t lines = image_decode_bytes(side, 1, 16 * 3 + 2 * 2 * sizeof(int32_t), 0) +
                     image_decode_bytes(options->crop_px, 1, 128, 0);
    uint64_t resize = image_decode_bytes(info->width_px, info->height_px, 3,
                                         passed > UINT64_MAX - lines ? UINT64_MAX : passed + lines);
    uint64_t bytes = resize > info->decode_bytes ? resize : info->decode_bytes;
    return bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}
