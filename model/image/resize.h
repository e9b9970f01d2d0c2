/* torchvision's Resize and CenterCrop of a PIL image, to the last bit, row by row as they are
 * decoded, computing only what the crop shows.
 *
 * The arithmetic is PIL's bilinear filter with antialiasing on uint8; MODEL.md has it in words. */
#ifndef CLASSIFYD_MODEL_IMAGE_RESIZE_H
#define CLASSIFYD_MODEL_IMAGE_RESIZE_H

#include "model/base/status.h"
#include "model/image/image.h"
#include "model/image/resize_kernel.h"

struct resize;

struct resize_options {
    uint32_t width_px, height_px;       /* as stored, > 0 */
    unsigned orientation;               /* EXIF 1..8 */
    uint32_t resize_px;                 /* the shorter side after the resize, > 0 */
    uint32_t crop_px;                   /* > 0 */
    const struct resize_kernel *kernel; /* one that the CPU supports; NULL: the fastest */
};

/* Plans a resize into `crop` [crop_px, crop_px, 3] RGB (borrowed until destroy, dense), black where
 * the resized image is smaller. `ret_window` is what it needs of the stored image. Returned owned.
 * Fails with STATUS_NO_MEMORY. Any thread. */
MUST_CHECK enum status resize_create(const struct resize_options *options, uint8_t *crop,
                                     struct image_window *ret_window, struct resize **ret_resize,
                                     struct error *error);

/* Takes the next `count` rows of the window, RGB [window.width_px, 3], each `stride_bytes` behind
 * the other; borrowed for the call. The crop is complete with the window's last row. Allocates
 * nothing. Any thread, one at a time. */
void resize_put(struct resize *resize, const uint8_t *rows, size_t stride_bytes, uint32_t count);

/* Accepts NULL. */
void resize_destroy(struct resize *resize);

/* What resize_create allocates at most, whatever the orientation; UINT64_MAX where that does not
 * fit. Any thread. */
uint64_t resize_bytes(const struct resize_options *options);

#endif
