/* The input of the first convolution: rows of the batch's images as the tiles take their elements,
 * with what stands outside the image on both sides. Each row of an image is made once a run, and
 * forgotten when the rows below need its place. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_IMAGE_ROWS_H
#define CLASSIFYD_MODEL_KERNELS_AMX_IMAGE_ROWS_H

#include "model/kernels/amx/strip.h"

enum {
    IMAGE_ROWS_RGB = 3,
    IMAGE_ROWS_MAX_KERNEL_PX = 11,
    IMAGE_ROWS_LEVELS = 256,
    IMAGE_ROWS_BEHIND = 64
};

struct image_rows;

/* Whether `step` is a first convolution that rows can be made for. */
bool image_rows_has(const struct step *step);

size_t image_rows_bytes(const struct strip_cut *cut);

/* Forgets all rows. */
void image_rows_begin(struct image_rows *rows);

/* STEP_BF16: what the levels of u8 pixels stand for, normalised and rounded, [level][channel]. */
void image_rows_fill_values(const struct step *step, uint16_t *ret_values);

/* The first convolution's K of 16 pixels, whole steps a pixel. Writes up to IMAGE_ROWS_BEHIND bytes
 * behind them. */
void image_rows_gather(const struct strip_cut *cut, const struct step_run *run,
                       const struct strip_place *places, struct image_rows *rows, uint8_t *lines);

#endif
