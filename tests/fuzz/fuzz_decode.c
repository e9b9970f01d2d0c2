/* Image decoding: whatever is accepted has the size that its header told, within the limits, and
 * goes through the whole preparation, which makes of it what the resize makes of its whole pixels,
 * although it decodes only what the crop shows. */
#include <stdlib.h>
#include <string.h>

#include "model/image/decode.h"
#include "model/image/prepare.h"
#include "model/image/resize.h"
#include "tests/fuzz/fuzz.h"

/* Small, so that a run is quick and a size that slips through shows as a huge allocation. */
#define MAX_PX      512
#define MAX_PIXELS  131072U
#define MAX_CROP_PX 60

/* The first shows nearly all, the second a piece of the inside. */
static const struct {
    uint32_t resize_px, crop_px;
} geometries[] = {{11, 9}, {200, MAX_CROP_PX}};

static void resize_whole(const struct image *image, const struct image_info *info, size_t geometry,
                         uint8_t *slot)
{
    const struct resize_options options = {.width_px = image->width_px,
                                           .height_px = image->height_px,
                                           .orientation = info->orientation,
                                           .resize_px = geometries[geometry].resize_px,
                                           .crop_px = geometries[geometry].crop_px};
    struct image_window window;
    struct resize *resize = NULL;
    size_t row_bytes = 3 * (size_t)image->width_px;
    if (resize_create(&options, slot, &window, &resize, NULL) != STATUS_OK)
        abort();
    resize_put(resize, image->pixels + row_bytes * window.y_px + 3 * (size_t)window.x_px, row_bytes,
               window.height_px);
    resize_destroy(resize);
}

static void prepare(struct span bytes, const struct image *image, const struct image_info *info)
{
    uint8_t slot[MAX_CROP_PX * MAX_CROP_PX * 3], whole[MAX_CROP_PX * MAX_CROP_PX * 3];
    for (size_t i = 0; i < sizeof geometries / sizeof geometries[0]; i++) {
        struct image_prepare_options options = {.limits = {MAX_PX, MAX_PIXELS},
                                                .resize_px = geometries[i].resize_px,
                                                .crop_px = geometries[i].crop_px,
                                                .orient = true};
        struct image_info again;
        if (image_prepare(&options, bytes, slot, &again, NULL, NULL) != STATUS_OK)
            abort();
        resize_whole(image, info, i, whole);
        if (memcmp(slot, whole, (size_t)3 * options.crop_px * options.crop_px) != 0)
            abort();
        options.scale_dct = true;
        if (image_prepare(&options, bytes, slot, &again, NULL, NULL) != STATUS_OK)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct image_limits limits = {MAX_PX, MAX_PIXELS};
    struct span bytes = {data, size};
    struct image_info header = {0}, info = {0};
    struct image image = {0};
    struct error error = {0};
    enum status header_status = decode_header(bytes, &limits, &header, &error);
    enum status status = decode_image(bytes, &limits, &image, &info, &error);
    if (status != STATUS_OK)
        return 0;
    if (header_status != STATUS_OK || header.width_px != info.width_px ||
        header.height_px != info.height_px || header.orientation != info.orientation)
        abort();
    if (image.width_px != info.width_px || image.height_px != info.height_px ||
        image.width_px > MAX_PX || (uint64_t)image.width_px * image.height_px > MAX_PIXELS ||
        info.orientation < 1 || info.orientation > 8)
        abort();
    prepare(bytes, &image, &info);
    image_fini(&image);
    return 0;
}
