/* bfloat16: the upper half of a float32. */
#ifndef CLASSIFYD_MODEL_BASE_BFLOAT16_H
#define CLASSIFYD_MODEL_BASE_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float bfloat16_to_f32(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To nearest, ties to even; infinities stay, a NaN stays one. */
static inline uint16_t bfloat16_of_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
