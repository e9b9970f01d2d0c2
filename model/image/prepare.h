/* An image file into a batch slot: decode, orient, resize the shorter side, crop the centre.
 *
 * The pixels are those of torchvision.transforms on PIL: ImageOps.exif_transpose (when `orient`),
 * Resize(resize_px, bilinear, antialias), CenterCrop(crop_px), identical to the last bit. */
#ifndef CLASSIFYD_MODEL_IMAGE_PREPARE_H
#define CLASSIFYD_MODEL_IMAGE_PREPARE_H

#include "model/base/span.h"
#include "model/base/status.h"
#include "model/image/image.h"

struct resize_kernel;

struct image_prepare_options {
    struct image_limits limits;
    uint32_t resize_px; /* the shorter side after the resize, > 0 */
    uint32_t crop_px;   /* side of the square that is kept, > 0; black where the image is smaller */
    bool orient;        /* apply the EXIF orientation */
    bool scale_dct;     /* decode a large JPEG at 1/2 or 1/4: quicker, and not PIL's pixels */
    const struct resize_kernel *kernel; /* NULL: the fastest that this CPU supports */
};

/* Stage times of one call, for the answer's timing_ms. */
struct image_prepare_times {
    uint64_t decode_us, preprocess_us;
};

/* The limits that the command line and the service start from: 20,000 px a side, 100 megapixels. */
extern const struct image_limits image_prepare_default_limits;

/* Writes [crop_px, crop_px, 3] RGB into `slot` (borrowed for the call, dense). On failure the
 * slot's content is undefined and ret_* are not written. `ret_times` may be NULL. Plain data in,
 * plain data out; any thread; allocates its own work memory (decoded pixels or rows, rows of the
 * resize) and frees it. */
MUST_CHECK enum status image_prepare(const struct image_prepare_options *options, struct span bytes,
                                     uint8_t *slot, struct image_info *ret_info,
                                     struct image_prepare_times *ret_times, struct error *error);

/* What image_prepare holds in memory at most, for an image with this header (decode_header), its
 * file's bytes aside; SIZE_MAX where that does not fit. Any thread. */
size_t image_prepare_bytes(const struct image_prepare_options *options,
                           const struct image_info *info);

#endif
