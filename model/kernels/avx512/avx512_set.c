#include "model/kernels/avx512/avx512_set.h"

#include "model/kernels/avx512/conv_bf16_6x64_avx512.h"
#include "model/kernels/avx512/conv_f32_6x64_avx512.h"
#include "model/kernels/avx512/conv_f32_winograd4x4_avx512.h"
#include "model/kernels/avx512/conv_u8_6x64_avx512.h"
#include "model/kernels/avx512/max_pool_avx512.h"

static const struct kernel *const kernels[] = {
    &conv_f32_winograd4x4_avx512,
    &conv_f32_6x64_avx512,
    &conv_f32_6x64_avx512_input,
    &conv_bf16_6x64_avx512,
    &conv_bf16_6x64_avx512_input,
    &conv_u8_6x64_avx512,
    &conv_u8_6x64_avx512_input,
    &max_pool_avx512,
    NULL,
};

const struct kernel_set avx512_set = {
    .name = "avx512",
    .version = 2,
    .layout = {.image_pixel_multiple = 1, .has_halo = true, .pixel_multiple_bytes = 64},
    .kernels = kernels,
};
