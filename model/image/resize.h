/* torchvision's Resize and CenterCrop of a PIL image, to the last bit, computing only what the crop
 * shows.
 *
 * The arithmetic is PIL's bilinear filter with antialiasing on uint8; MODEL.md has it in words. */
#ifndef CLASSIFYD_MODEL_IMAGE_RESIZE_H
#define CLASSIFYD_MODEL_IMAGE_RESIZE_H

#include "model/base/status.h"
#include "model/image/image.h"

/* Resizes `view` (at least one pixel) so that its shorter side has `resize_px` (> 0) and writes the
 * central [crop_px, crop_px, 3] RGB into `crop` (borrowed, dense; crop_px > 0), black where the
 * resized image is smaller. Fails with STATUS_NO_MEMORY; its work memory is one pass over the
 * source rows that the crop needs, 3 bytes x rows x crop_px. Any thread. */
MUST_CHECK enum status resize_crop(const struct image_view *view, uint32_t resize_px,
                                   uint32_t crop_px, uint8_t *crop, struct error *error);

#endif
