/* The kernels that run everywhere and support every step. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_GENERIC_SET_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_GENERIC_SET_H

#include "model/kernels/kernels.h"

extern const struct kernel_set generic_set;

#endif
