/* Kernels on Intel's AMX: Sapphire Rapids and later. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_AMX_SET_H
#define CLASSIFYD_MODEL_KERNELS_AMX_AMX_SET_H

#include "model/kernels/kernels.h"

/* Convolutions in int8 and bfloat16; for everything else kernels.c names the set to fall back to.
 * Runs where cpu_may_use_amx and AVX-512 with its BF16. */
extern const struct kernel *const amx_set_kernels[]; /* best first, ends with NULL */

#endif
