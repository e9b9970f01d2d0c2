#include "model/kernels/avx2/avx2_set.h"

#include "model/kernels/avx2/conv_bf16_6x16_avx2.h"
#include "model/kernels/avx2/conv_f32_6x16_avx2.h"
#include "model/kernels/avx2/conv_f32_winograd4x4_avx2.h"
#include "model/kernels/avx2/conv_u8_6x16_avx2.h"
#include "model/kernels/avx2/max_pool_avx2.h"

static const struct kernel *const kernels[] = {
    &conv_f32_winograd4x4_avx2,
    &conv_f32_6x16_avx2,
    &conv_f32_6x16_avx2_input,
    &conv_bf16_6x16_avx2,
    &conv_bf16_6x16_avx2_input,
    &conv_u8_6x16_avx2,
    &conv_u8_6x16_avx2_input,
    &max_pool_avx2,
    NULL,
};

const struct kernel_set avx2_set = {
    .name = "avx2",
    .version = 3,
    .layout = {.image_pixel_multiple = 1, .has_halo = true, .pixel_multiple_bytes = 64},
    .kernels = kernels,
};
