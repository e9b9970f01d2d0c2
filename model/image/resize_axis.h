/* One axis of a resize: which source pixels make which pixel of the crop, with what weights.
 *
 * The axis runs as the pixels are stored; orientation is worked into it. */
#ifndef CLASSIFYD_MODEL_IMAGE_RESIZE_AXIS_H
#define CLASSIFYD_MODEL_IMAGE_RESIZE_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/base/status.h"

/* Weights are integers of this many fractional bits: 32 less 8 of the pixel, less 2 for the sign
 * and for sums of weights that are rounded to a little over one. */
#define RESIZE_WEIGHT_BITS 22
#define RESIZE_HALF        (1 << (RESIZE_WEIGHT_BITS - 1))

/* The source pixels that one pixel of the result is made of. */
struct resize_taps {
    uint32_t first, count;  /* `first` counts from the axis's first */
    const int32_t *weights; /* [count], 0..2^22 */
};

struct resize_axis {
    uint32_t first, count;    /* source pixels that are needed at all */
    uint32_t shown, before;   /* pixels of the crop that are image; black pixels before them */
    bool is_backwards;        /* the crop shows the pixels from the last to the first */
    uint32_t max_taps;        /* of one pixel */
    struct resize_taps *taps; /* [shown]; `first` and `first + count` never fall */
    int32_t *weights;
};

/* What an axis looks like: `source_px` (> 0) pixels that become `resized_px` (> 0) and are cut to
 * `crop_px` (> 0). */
struct resize_axis_options {
    uint32_t source_px, crop_px;
    uint64_t resized_px;
    bool is_backwards;
};

/* Plans the axis; to be given to resize_axis_fini, also where it fails, which is with
 * STATUS_NO_MEMORY. `axis` is zeroed before. Any thread. */
MUST_CHECK enum status resize_axis_init(const struct resize_axis_options *options,
                                        struct resize_axis *axis, struct error *error);

void resize_axis_fini(struct resize_axis *axis);

/* The place in the crop of the axis's pixel `at`, black pixels before it counted. */
static inline uint32_t resize_axis_place(const struct resize_axis *axis, uint32_t at)
{
    return axis->before + (axis->is_backwards ? axis->shown - 1 - at : at);
}

/* At most as many taps as a pixel has: where `source_px` become `resized_px`. */
uint64_t resize_axis_most_taps(uint32_t source_px, uint64_t resized_px);

#endif
