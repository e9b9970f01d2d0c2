/* Max-pooling and global average pooling. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_POOL_F32_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_POOL_F32_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_MAX_POOL; what lies outside the image never wins. A unit is one output row of one image. */
extern const struct kernel pool_f32_generic_max;

/* STEP_AVERAGE_POOL over the whole image, pixels summed in row order. A unit is one image. */
extern const struct kernel pool_f32_generic_average;

#endif
