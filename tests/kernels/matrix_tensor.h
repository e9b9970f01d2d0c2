/* Float tensors as OpenBLAS's kernels want them, for the checks of kernels. */
#ifndef CLASSIFYD_TESTS_KERNELS_MATRIX_TENSOR_H
#define CLASSIFYD_TESTS_KERNELS_MATRIX_TENSOR_H

#include "model/kernels/tensor.h"

/* A square image's dense pixels, padded to a multiple of 12; a single pixel is a vector and is not.
 */
static inline struct tensor matrix_tensor(uint32_t side_px, uint32_t channels, uint32_t buffer)
{
    size_t pixels = side_px == 1 ? 1 : ((size_t)side_px * side_px + 11) / 12 * 12;
    return (struct tensor){.type = TENSOR_F32,
                           .height_px = side_px,
                           .width_px = side_px,
                           .channels = channels,
                           .scale = 1.0f,
                           .pixel_stride = channels,
                           .row_stride = (size_t)side_px * channels,
                           .image_stride = pixels * channels,
                           .padding = (pixels - (size_t)side_px * side_px) * channels,
                           .buffer = buffer};
}

#endif
