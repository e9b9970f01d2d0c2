/* The order in which the plain kernels read weights. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_TRANSPOSE_F32_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_TRANSPOSE_F32_H

#include <stddef.h>

/* Writes `from` [rows, columns] as `to` [columns, rows]; they do not overlap. With the output
 * channels innermost, what one input value adds to all of them is one pass over memory. */
void transpose_f32(const float *from, size_t rows, size_t columns, float *to);

#endif
