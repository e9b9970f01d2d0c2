/* The first convolution: reads batch slots, normalises, convolves. */
#ifndef CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_INPUT_F32_GENERIC_H
#define CLASSIFYD_MODEL_KERNELS_GENERIC_CONV_INPUT_F32_GENERIC_H

#include "model/kernels/kernels.h"

/* STEP_CONV_INPUT over u8 slots, normalised as torchvision does (value / 255, less mean, by std,
 * each rounded to float32), or f32 slots as they are. A unit is one output row of one image. */
extern const struct kernel conv_input_f32_generic;

#endif
