/* The arithmetic of STEP_INT8 and STEP_BF16, as every kernel carries it out: to the last bit for
 * int8, whose sums are exact, so that an int8 network gives the same bits on every CPU.
 *
 * int8: weights are whole steps of their channel's scale (Jacob et al. 2018, symmetric, per output
 * channel); an output is sum * multiplier + offset (+ residual * residual multiplier), each
 * operation rounded to float32, in steps of the output's own scale. */
#ifndef CLASSIFYD_MODEL_KERNELS_REQUANTIZE_H
#define CLASSIFYD_MODEL_KERNELS_REQUANTIZE_H

#include <math.h>

#include "model/kernels/kernels.h"

enum { REQUANTIZE_LEVEL_MAX = 255, REQUANTIZE_RGB = 3 };

/* The s8 weight that stands for `weight`, whose input has steps of `input_scale`, in a sum with
 * steps of `scale`. -128 is not used. */
static inline int8_t requantize_weight(float weight, float input_scale, float scale)
{
    float steps = rintf(weight * input_scale / scale);
    return (int8_t)(steps > 127.0f ? 127.0f : steps < -127.0f ? -127.0f : steps);
}

/* What one step of u8 pixel channel `c` is worth once the first step has normalised it. */
static inline float requantize_pixel_scale(const struct step *step, size_t c)
{
    return 1.0f / (255.0f * step->std[c]);
}

/* The pixel level that stands outside the image: the nearest to what normalises to zero. */
static inline uint8_t requantize_pixel_padding(const struct step *step, size_t c)
{
    return (uint8_t)lrintf(255.0f * step->mean[c]);
}

/* The nearest pixel level to a normalised value. */
static inline uint8_t requantize_pixel(const struct step *step, float value, size_t c)
{
    float level = rintf((value * step->std[c] + step->mean[c]) * 255.0f);
    return (uint8_t)(level > 0.0f ? level < 255.0f ? level : 255.0f : 0.0f);
}

/* Factors of one output channel: see the head. */
static inline float requantize_multiplier(const struct step *step, float scale)
{
    return scale / step->output->scale;
}

static inline float requantize_offset(const struct step *step, double bias)
{
    return (float)(bias / (double)step->output->scale);
}

static inline float requantize_residual_multiplier(const struct step *step)
{
    return step->residual ? step->residual->scale / step->output->scale : 0.0f;
}

/* A u8 level of a value in steps of the output's scale: nearest, ties to even; below zero is zero,
 * which makes a ReLU. */
static inline uint8_t requantize_level(float value)
{
    float level = rintf(value);
    return (uint8_t)(level > 0.0f ? level < 255.0f ? level : 255.0f : 0.0f);
}

/* What the mean, which s8 weights of the first step take as part of the bias, adds to it: `taps` s8
 * weights [taps, 3] of one output channel. */
static inline double requantize_mean_bias(const struct step *step, const int8_t *weights,
                                          size_t taps, float scale)
{
    double sum = 0;
    for (size_t i = 0; i < taps * REQUANTIZE_RGB; i++)
        sum -= (double)weights[i] * (double)scale * 255.0 * (double)step->mean[i % REQUANTIZE_RGB];
    return sum;
}

/* Writes `value`, in steps of the output's scale, as element `index` of an output pixel. */
static inline void requantize_store(const struct tensor *output, void *pixel, size_t index,
                                    float value)
{
    if (output->type == TENSOR_F32)
        ((float *)pixel)[index] = value;
    else if (output->type == TENSOR_BF16)
        ((uint16_t *)pixel)[index] = bfloat16_of_f32(value);
    else
        ((uint8_t *)pixel)[index] = requantize_level(value);
}

#endif
