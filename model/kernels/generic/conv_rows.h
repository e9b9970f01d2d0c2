/* What the generic convolutions of levels and of bfloat16 have in common: how many weights an
 * output channel has, and that a unit is a row of an image. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_ROWS_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_ROWS_H

#include "model/kernels/kernels.h"

/* Input channels that an output channel reads. */
size_t conv_rows_group_channels(const struct step *step);

/* Weights of an output channel, [kernel, kernel, in/groups]. */
size_t conv_rows_taps(const struct step *step);

/* The projection's weights of an output channel; 0 without one. */
size_t conv_rows_projection_channels(const struct step *step);

/* The kernel's units. */
size_t conv_rows_units(const struct step *step, size_t images);

/* Computes all channels of output pixel (y, x) of image `image` of the run; `packed` is the
 * kernel's. */
typedef void conv_rows_pixel_fn(const struct step_run *run, const void *packed, size_t image,
                                uint32_t y, uint32_t x);

/* Computes rows [first, last), and zeroes the padding behind an image whose last row is among them.
 */
void conv_rows_run(const struct step_run *run, size_t first, size_t last,
                   conv_rows_pixel_fn *run_pixel, const void *packed);

#endif
