/* The passes of a resize in AVX-512 with VNNI. */
#ifndef CLASSIFYD_MODEL_IMAGE_AVX512_RESIZE_AVX512_H
#define CLASSIFYD_MODEL_IMAGE_AVX512_RESIZE_AVX512_H

#include "model/image/resize_kernel.h"

/* The CPU multiplies bytes by signed bytes and adds four products to a sum, so that a weight of 23
 * bits is taken apart into three digits: weight = low + middle * 2^8 + high * 2^16. */
enum { RESIZE_AVX512_DIGITS = 3, RESIZE_AVX512_DIGIT_BITS = 8, RESIZE_AVX512_TURN_TAPS = 4 };

extern const struct resize_kernel resize_avx512;

/* Takes the lowest digit off a weight. */
static inline int8_t resize_avx512_take_digit(int32_t *weight)
{
    int8_t digit = (int8_t)(uint8_t)*weight;
    *weight = (*weight - digit) >> RESIZE_AVX512_DIGIT_BITS;
    return digit;
}

#endif
