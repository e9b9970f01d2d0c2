/* Convolution written for reading: the definition of correct for every other one. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_F32_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_F32_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_CONV of any kernel, stride, padding and groups, with projection and residual. Reads and
 * writes any layout. A unit is one output row of one image. */
extern const struct kernel conv_f32_generic;

#endif
