/* Copies of what a strip reads, with elements of another type, in the thread's scratch: for
 * direct_conv.c alone.
 *
 * A plane for each row of the kernel holds the pixels under it, output row by output row of the
 * strip, so that taps share them; behind the planes lie the projection's pixels. */
#ifndef CLASSIFYD_MODEL_KERNELS_DIRECT_CONV_COPY_H
#define CLASSIFYD_MODEL_KERNELS_DIRECT_CONV_COPY_H

#include "model/kernels/direct_conv.h"

struct direct_conv_copy {
    size_t stride_px;                     /* between output pixels' first taps */
    size_t pixel_bytes, projection_bytes; /* of one pixel; 0: no projection */
    size_t plane_bytes;
};

/* Whether the step's inputs are not of the type that K steps hold. */
bool direct_conv_copy_is_needed(const struct direct_conv *conv, const struct step *step);

/* Whether they can be copied. */
bool direct_conv_copy_supports(const struct direct_conv *conv, const struct step *step);

/* For strips of at most `strip_px` pixels. */
struct direct_conv_copy direct_conv_copy_layout(const struct direct_conv *conv,
                                                const struct step *step, size_t strip_px);

size_t direct_conv_copy_bytes(const struct direct_conv_copy *copy, const struct step *step,
                              size_t strip_px);

/* Copies what `count` output pixels side by side read, and lets their pointers point there. `at` of
 * the strip's pixels and `used` of a plane's are before them. Returns `used` behind them. */
size_t direct_conv_copy_run(const struct direct_conv *conv, const struct direct_conv_copy *copy,
                            const struct step *step, uint8_t *scratch, size_t at, size_t used,
                            size_t count, const uint8_t **input, const uint8_t **projection);

#endif
