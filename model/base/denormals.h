/* What this thread's CPU makes of numbers too small for their exponent (denormals, of float32 below
 * 1.2e-38).
 *
 * A network's steps take them for zero, as operands and as results, on every thread (engine.c):
 *  - nothing that a network says depends on them, but an operation with one takes Intel's CPUs
 *    some 150 cycles (Agner Fog, The microarchitecture of Intel, AMD and VIA CPUs), and plain C on
 *    Zen 4 twice its time;
 *  - products of bfloat16 in AMX and AVX512_BF16 do so whatever the thread is set to, and the other
 *    kernels should give the same;
 *  - a thread starts with its creator's setting. Left to that, an image might have other bits on
 *    another thread. */
#ifndef CLASSIFYD_MODEL_BASE_DENORMALS_H
#define CLASSIFYD_MODEL_BASE_DENORMALS_H

#include <stdint.h>

/* From now on this thread takes denormals for zero (x86-64: MXCSR's FTZ and DAZ; arm64: FPCR's FZ;
 * elsewhere nothing is done). Returns the state before, of the same register. */
uint64_t denormals_flush(void);

/* Sets what denormals_flush gave, on the thread that called it: rounding, masks and flags of
 * exceptions, too. */
void denormals_restore(uint64_t before);

#endif
