/* The two passes of a resize over one row, in plain C and for what the CPU can do. Every kernel
 * gives the same bits: the sums are of whole numbers. */
#ifndef CLASSIFYD_MODEL_IMAGE_RESIZE_KERNEL_H
#define CLASSIFYD_MODEL_IMAGE_RESIZE_KERNEL_H

#include <stddef.h>

#include "model/image/resize_axis.h"

struct resize_kernel {
    const char *name;
    bool (*is_supported)(void);
    /* Bytes of an axis's weights in the order in which `along` wants them, 64-byte aligned; written
     * by `pack`. NULL: it takes them from the axis. */
    size_t (*packed_bytes)(const struct resize_axis *axis);
    void (*pack)(const struct resize_axis *axis, void *packed);
    /* Along a row: `source` [axis->count, 3] begins with the axis's first pixel, `row`
     * [axis->shown, 3]. */
    void (*along)(const struct resize_axis *axis, const void *packed, const uint8_t *source,
                  uint8_t *row);
    /* Across rows: `row` [bytes] of `rows` [taps->count], each [bytes]. */
    void (*across)(const struct resize_taps *taps, const uint8_t *const *rows, size_t bytes,
                   uint8_t *row);
};

/* Of all that are built in, the slowest first, which is plain C; NULL after the last. */
const struct resize_kernel *resize_kernel_at(size_t index);

/* The fastest that this CPU supports. Any thread, cheap. */
const struct resize_kernel *resize_kernel_best(void);

/* The plain C ones, for what others leave over. */
void resize_kernel_along_from(const struct resize_axis *axis, uint32_t from, const uint8_t *source,
                              uint8_t *row);
void resize_kernel_across(const struct resize_taps *taps, const uint8_t *const *rows, size_t bytes,
                          uint8_t *row);

#endif
