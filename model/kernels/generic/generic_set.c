#include "model/kernels/generic/generic_set.h"

#include "model/kernels/generic/average_pool_f32_generic.h"
#include "model/kernels/generic/conv_f32_generic.h"
#include "model/kernels/generic/conv_input_f32_generic.h"
#include "model/kernels/generic/linear_f32_generic.h"
#include "model/kernels/generic/max_pool_f32_generic.h"

const struct kernel_set generic_set = {
    .name = "generic",
    .version = 1,
    .layout = {.image_pixel_multiple = 1, .halo_px = 0, .interleave = 1, .pixel_padding = 0},
    .kernels =
        {
            [STEP_CONV_INPUT] = &conv_input_f32_generic,
            [STEP_CONV] = &conv_f32_generic,
            [STEP_MAX_POOL] = &max_pool_f32_generic,
            [STEP_AVERAGE_POOL] = &average_pool_f32_generic,
            [STEP_LINEAR] = &linear_f32_generic,
        },
};
