/* Image decoding: whatever is accepted has the size that its header told, within the limits, and
 * goes through the whole preparation. */
#include <stdlib.h>

#include "model/image/decode.h"
#include "model/image/prepare.h"
#include "tests/fuzz/fuzz.h"

/* Small, so that a run is quick and a size that slips through shows as a huge allocation. */
#define MAX_PX     512
#define MAX_PIXELS 65536U
#define CROP_PX    9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct image_prepare_options options = {
        .limits = {MAX_PX, MAX_PIXELS}, .resize_px = 11, .crop_px = CROP_PX, .orient = true};
    uint8_t slot[CROP_PX * CROP_PX * 3];
    struct span bytes = {data, size};
    struct image_info header = {0}, info = {0};
    struct image image = {0};
    struct error error = {0};
    enum status header_status = decode_header(bytes, &options.limits, &header, &error);
    enum status status = decode_image(bytes, &options.limits, &image, &info, &error);
    if (status != STATUS_OK)
        return 0;
    if (header_status != STATUS_OK || header.width_px != info.width_px ||
        header.height_px != info.height_px || header.orientation != info.orientation)
        abort();
    if (image.width_px != info.width_px || image.height_px != info.height_px ||
        image.width_px > MAX_PX || (uint64_t)image.width_px * image.height_px > MAX_PIXELS ||
        info.orientation < 1 || info.orientation > 8)
        abort();
    image_fini(&image);
    if (image_prepare(&options, bytes, slot, &info, NULL, &error) != STATUS_OK)
        abort();
    return 0;
}
