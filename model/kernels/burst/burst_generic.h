/* Plain C, for every CPU: what the compiler makes of it for the baseline. */
#ifndef CLASSIFYD_MODEL_KERNELS_BURST_BURST_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_BURST_BURST_GENERIC_H

#include "model/kernels/burst.h"

extern const struct burst burst_generic_f32;
extern const struct burst burst_generic_int8;
extern const struct burst_reader burst_generic_reader;

#endif
