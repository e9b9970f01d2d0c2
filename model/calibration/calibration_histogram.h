/* How often the values of an activation tensor lie where, and the steps of u8 that follow. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_HISTOGRAM_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* Sixteen bins for each level, so that where in its bin a value lies hardly matters. */
enum { CALIBRATION_HISTOGRAM_BINS = 4096 };

/* Zeroed before the first value. One thread. */
struct calibration_histogram {
    float largest; /* of the values seen */
    float range;   /* upper end of the last bin; 0 before the first value over 0 */
    uint64_t counts[CALIBRATION_HISTOGRAM_BINS]; /* values of 0 and less are in none */
};

/* Adds `count` values, all finite; where none reaches QUANTIZATION_LEAST_SCALE, as if all were 0.
 */
void calibration_histogram_add(struct calibration_histogram *histogram, const float *values,
                               size_t count);

/* The step with which the largest value is level 255; 1 where none is over 0. Neither this nor the
 * next is under QUANTIZATION_LEAST_SCALE. */
float calibration_histogram_max_step(const struct calibration_histogram *histogram);

/* The step with which rounding and clipping to levels 0..255 make the least squared error. */
float calibration_histogram_least_error_step(const struct calibration_histogram *histogram);

#endif
