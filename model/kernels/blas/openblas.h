/* OpenBLAS, opened at run time: told its CPU and its thread count before it is loaded.
 *
 * Debian 12's 0.3.21 does not know newer CPUs and would run them with kernels of 2004, and it
 * starts a thread a core when it is loaded; both are read from the environment then, and only then.
 */
#ifndef CLASSIFYD_MODEL_KERNELS_BLAS_OPENBLAS_H
#define CLASSIFYD_MODEL_KERNELS_BLAS_OPENBLAS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/status.h"
#include "model/kernels/cpu.h"

/* The OPENBLAS_CORETYPE for such a CPU, or NULL where OpenBLAS had better choose. Pure. */
const char *openblas_core_type(const struct cpu_features *features);

/* Sets OPENBLAS_NUM_THREADS=1 and, unless the user did, OPENBLAS_CORETYPE. Only before any thread.
 */
void openblas_prepare_environment(void);

/* Loads the library, once a process. Fails with STATUS_UNSUPPORTED: not installed, or built on
 * OpenMP, whose threads cannot be kept out of ours. Any thread. */
MUST_CHECK enum status openblas_open(struct error *error);

/* "OpenBLAS 0.3.21, core Zen". After openblas_open; borrowed for ever. */
const char *openblas_description(void);

/* One product of row-major matrices: c [m, n] = a [m, k] . b [n, k]^T, added to what c holds where
 * `accumulate`. lda, ldb, ldc are row strides in elements. After openblas_open; any thread. */
void openblas_sgemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                    size_t ldb, bool accumulate, float *c, size_t ldc);

#endif
