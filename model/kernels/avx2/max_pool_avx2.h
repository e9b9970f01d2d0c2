/* Max-pooling, 32 bytes of channels at once. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_MAX_POOL_AVX2_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_MAX_POOL_AVX2_H

#include "model/kernels/kernels.h"

/* STEP_MAX_POOL of every type, for pixels of 32 bytes and more, as max_pool_generic; but bfloat16
 * has +0 above -0 and a positive NaN above all, whatever their order. */
extern const struct kernel max_pool_avx2;

#endif
