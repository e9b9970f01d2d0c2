/* The passes of a resize in AVX-512 with VNNI. */
#ifndef CLASSIFYD_MODEL_IMAGE_AVX512_RESIZE_AVX512_H
#define CLASSIFYD_MODEL_IMAGE_AVX512_RESIZE_AVX512_H

#include "model/image/resize_kernel.h"

extern const struct resize_kernel resize_avx512;

#endif
