/* What becomes of the sums of a block: bias, residual, ReLU, rounding to the output's type. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_FINISH_H
#define CLASSIFYD_MODEL_KERNELS_AMX_FINISH_H

#include "model/kernels/kernels.h"

/* A block's sums, 32 pixels of 32 output channels: four tiles, those of the first 16 pixels first.
 */
struct finish_block {
    const uint8_t *sums;
    uint8_t *const *output;         /* [pixels]: each one's first channel */
    const uint8_t *const *residual; /* [pixels] */
    size_t pixels;
    size_t channel; /* the block's first */
};

/* The same for all blocks of a step. `rows` finishes pixels first to last - 1 of a block; `first`
 * is even, since two share a vector. */
struct finish {
    void (*rows)(const struct finish *finish, const struct finish_block *block, size_t first,
                 size_t last);
    const float *multiplier, *offset; /* [channels, padded to 32]; no multiplier in STEP_BF16 */
    float scale_multiplier;           /* STEP_BF16: of every channel */
    float residual_multiplier;
    float lowest; /* 0 with a ReLU */
    size_t channels;
};

/* All but multiplier and offset. As requantize.h has it, to the last bit; bfloat16 outputs of
 * STEP_BF16 alone take denormals as zero. */
struct finish finish_of(const struct step *step);

#endif
