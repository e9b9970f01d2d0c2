#include "model/kernels/amx/amx_set.h"

#include <stddef.h>

#include "model/kernels/amx/conv_bf16_amx.h"
#include "model/kernels/amx/conv_u8_amx.h"

const struct kernel *const amx_set_kernels[] = {&conv_u8_amx, &conv_bf16_amx, NULL};
