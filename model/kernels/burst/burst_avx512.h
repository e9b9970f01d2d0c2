/* 512-bit vectors: AVX-512, and its dot products of bf16 and int8 where the CPU has them. */
#ifndef CLASSIFYD_MODEL_KERNELS_BURST_BURST_AVX512_H
#define CLASSIFYD_MODEL_KERNELS_BURST_BURST_AVX512_H

#include "model/kernels/burst.h"

#if defined(__x86_64__)
extern const struct burst burst_avx512_f32;
extern const struct burst burst_avx512_bf16;
extern const struct burst burst_avx512_int8;
extern const struct burst_reader burst_avx512_reader;
#endif

#endif
