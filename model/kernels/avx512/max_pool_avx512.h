/* Max-pooling, 64 bytes of channels at once. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX512_MAX_POOL_AVX512_H
#define CLASSIFYD_MODEL_KERNELS_AVX512_MAX_POOL_AVX512_H

#include "model/kernels/kernels.h"

/* STEP_MAX_POOL of every type, for pixels of 64 bytes and more, as max_pool_generic; but bfloat16
 * has +0 above -0 and a positive NaN above all, whatever their order. */
extern const struct kernel max_pool_avx512;

#endif
