/* Global average pooling. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_AVERAGE_POOL_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_AVERAGE_POOL_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_AVERAGE_POOL over the whole image, pixels summed in row order. A unit is one image. */
extern const struct kernel average_pool_generic;

#endif
