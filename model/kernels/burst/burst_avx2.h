/* 256-bit vectors: AVX2 and FMA; int8 by multiply-add pairs, which AVX2 has instead of a dot
 * product. */
#ifndef CLASSIFYD_MODEL_KERNELS_BURST_BURST_AVX2_H
#define CLASSIFYD_MODEL_KERNELS_BURST_BURST_AVX2_H

#include "model/kernels/burst.h"

#if defined(__x86_64__)
extern const struct burst burst_avx2_f32;
extern const struct burst burst_avx2_int8;
extern const struct burst_reader burst_avx2_reader;
#endif

#endif
