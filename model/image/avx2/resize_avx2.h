/* The passes of a resize in AVX2. */
#ifndef CLASSIFYD_MODEL_IMAGE_AVX2_RESIZE_AVX2_H
#define CLASSIFYD_MODEL_IMAGE_AVX2_RESIZE_AVX2_H

#include "model/image/resize_kernel.h"

extern const struct resize_kernel resize_avx2;

#endif
