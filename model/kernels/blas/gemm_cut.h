/* How a convolution is cut into GEMMs: strips of output pixels by blocks of output channels.
 *
 * The matrix has a row a pixel, image after image, each image's pixels padded to a multiple of
 * ROWS. Two rules keep an image's bits the same alone and in a batch. OpenBLAS's kernels compute
 * ROWS rows alike, but what is left over at the end by other code with other rounding (seen on
 * Haswell and Zen): every strip is a multiple of ROWS. And its kernels for small products must
 * never take turns with the others (0.3.21, SkylakeX, second matrix transposed: m * n <= 1200):
 * gemm_cut_is_steady tells the layers that are too small to be sure. Strips may follow the number
 * of images, blocks may not. */
#ifndef CLASSIFYD_MODEL_KERNELS_BLAS_GEMM_CUT_H
#define CLASSIFYD_MODEL_KERNELS_BLAS_GEMM_CUT_H

#include "model/kernels/kernels.h"

enum { GEMM_CUT_ROWS = 12 };

struct gemm_cut {
    size_t image_rows;     /* pixels of an image, padding included */
    size_t image_pixels;   /* without */
    size_t strip_rows;     /* the most rows of a strip */
    size_t block_channels; /* the most output channels of a block */
    size_t blocks;
    size_t channels; /* of all blocks; the last may be narrower */
};

/* The cut of `step`. `columns` of the matrix are in use at a time; `block_channels` is what one
 * product must take (merged groups), 0 where any cut will do. It depends on the layer alone. Pure.
 */
struct gemm_cut gemm_cut_make(const struct step *step, size_t columns, size_t block_channels);

/* False where a product may be so small that its kernel would depend on the batch. */
bool gemm_cut_is_steady(const struct gemm_cut *cut);

size_t gemm_cut_units(const struct gemm_cut *cut, size_t images);

/* One unit: rows [first_row, first_row + rows) of the matrix of `images` images, channels of block
 * `block`. */
struct gemm_cut_unit {
    size_t strip, first_row, rows;
    size_t block;
};
struct gemm_cut_unit gemm_cut_unit(const struct gemm_cut *cut, size_t images, size_t unit);

/* out = relu?(out + residual? + bias) over the unit's `channels` channels from `first_channel` on,
 * pixels of the padding left alone (they are zero and stay so). `residual` is NULL where it is in
 * the sum already. */
void gemm_cut_finish(const struct step_run *run, const struct gemm_cut *cut,
                     const struct gemm_cut_unit *unit, size_t first_channel, size_t channels,
                     const float *bias, const struct tensor *residual);

#endif
