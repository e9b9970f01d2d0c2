/* Max-pooling. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_MAX_POOL_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_MAX_POOL_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_MAX_POOL; what lies outside the image never wins. A unit is one output row of one image. */
extern const struct kernel max_pool_generic;

#endif
