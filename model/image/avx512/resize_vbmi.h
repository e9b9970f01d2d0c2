/* The passes of a resize in AVX-512 with VNNI and VBMI, which takes any bytes of a register to any
 * places. */
#ifndef CLASSIFYD_MODEL_IMAGE_AVX512_RESIZE_VBMI_H
#define CLASSIFYD_MODEL_IMAGE_AVX512_RESIZE_VBMI_H

#include "model/image/resize_kernel.h"

extern const struct resize_kernel resize_vbmi;

#endif
