#include "model/image/prepare.h"

#include "model/base/clock.h"
#include "model/image/decode.h"
#include "model/image/orientation.h"
#include "model/image/resize.h"

const struct image_limits image_prepare_default_limits = {20000, 100000000};

/* Takes the decoded rows to the slot. */
struct preparation {
    const struct image_prepare_options *options;
    uint8_t *slot;
    struct resize *resize;
    uint64_t resize_us;
};

static struct resize_options resize_options(const struct image_prepare_options *options,
                                            const struct image_info *info)
{
    return (struct resize_options){.width_px = info->width_px,
                                   .height_px = info->height_px,
                                   .orientation =
                                       options->orient ? info->orientation : ORIENTATION_UPRIGHT,
                                   .resize_px = options->resize_px,
                                   .crop_px = options->crop_px,
                                   .kernel = options->kernel};
}

static enum status begin(void *user, const struct image_info *info, uint32_t width_px,
                         uint32_t height_px, struct image_window *ret_window, struct error *error)
{
    struct preparation *preparation = user;
    uint64_t start_us = clock_now_us();
    struct resize_options options = resize_options(preparation->options, info);
    options.width_px = width_px;
    options.height_px = height_px;
    resize_destroy(preparation->resize);
    preparation->resize = NULL;
    enum status status =
        resize_create(&options, preparation->slot, ret_window, &preparation->resize, error);
    preparation->resize_us += clock_now_us() - start_us;
    return status;
}

static void put(void *user, const uint8_t *rows, size_t stride_bytes, uint32_t count)
{
    struct preparation *preparation = user;
    uint64_t start_us = clock_now_us();
    resize_put(preparation->resize, rows, stride_bytes, count);
    preparation->resize_us += clock_now_us() - start_us;
}

enum status image_prepare(const struct image_prepare_options *options, struct span bytes,
                          uint8_t *slot, struct image_info *ret_info,
                          struct image_prepare_times *ret_times, struct error *error)
{
    struct preparation preparation = {.options = options, .slot = slot};
    const struct decode_sink sink = {&preparation, begin, put};
    struct image_info info;
    uint64_t start_us = clock_now_us();
    enum status status = decode_rows(
        bytes, &options->limits, options->scale_dct ? options->resize_px : 0, &sink, &info, error);
    resize_destroy(preparation.resize);
    if (status != STATUS_OK)
        return status;
    *ret_info = info;
    if (ret_times) {
        uint64_t all_us = clock_now_us() - start_us;
        *ret_times =
            (struct image_prepare_times){all_us - preparation.resize_us, preparation.resize_us};
    }
    return STATUS_OK;
}

size_t image_prepare_bytes(const struct image_prepare_options *options,
                           const struct image_info *info)
{
    const struct resize_options resize = resize_options(options, info);
    uint64_t kept = decode_is_by_rows(info->format)
                        ? info->decode_bytes
                        : image_decode_bytes(info->width_px, info->height_px, 3, 0);
    uint64_t resized = resize_bytes(&resize);
    uint64_t bytes = resized > UINT64_MAX - kept ? UINT64_MAX : kept + resized;
    bytes = bytes > info->decode_bytes ? bytes : info->decode_bytes;
    return bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}
