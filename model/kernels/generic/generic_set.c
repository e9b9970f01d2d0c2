#include "model/kernels/generic/generic_set.h"

#include "model/kernels/generic/average_pool_generic.h"
#include "model/kernels/generic/conv_bf16_generic.h"
#include "model/kernels/generic/conv_f32_generic.h"
#include "model/kernels/generic/conv_input_f32_generic.h"
#include "model/kernels/generic/conv_u8_generic.h"
#include "model/kernels/generic/linear_f32_generic.h"
#include "model/kernels/generic/max_pool_generic.h"

static const struct kernel *const kernels[] = {
    &conv_input_f32_generic, &conv_f32_generic,     &conv_bf16_generic,  &conv_u8_generic,
    &max_pool_generic,       &average_pool_generic, &linear_f32_generic, NULL,
};

const struct kernel_set generic_set = {
    .name = "generic",
    .version = 1,
    .layout = {.image_pixel_multiple = 1},
    .kernels = kernels,
};
