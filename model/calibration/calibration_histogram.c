#include "model/calibration/calibration_histogram.h"

#include <math.h>

#include "model/kernels/requantize.h"
#include "model/net/quantization.h"

/* Shares of the largest value that are tried: 1 down to 0.21. */
enum { CANDIDATES = 80 };

/* Makes room for `value`: the bins become twice as wide, as often as it takes. */
static void widen(struct calibration_histogram *histogram, float value)
{
    if (histogram->range <= 0)
        histogram->range = value;
    while (value > histogram->range) {
        for (size_t i = 0; i < CALIBRATION_HISTOGRAM_BINS / 2; i++)
            histogram->counts[i] = histogram->counts[2 * i] + histogram->counts[2 * i + 1];
        for (size_t i = CALIBRATION_HISTOGRAM_BINS / 2; i < CALIBRATION_HISTOGRAM_BINS; i++)
            histogram->counts[i] = 0;
        histogram->range *= 2;
    }
}

void calibration_histogram_add(struct calibration_histogram *histogram, const float *values,
                               size_t count)
{
    float largest = histogram->largest;
    for (size_t i = 0; i < count; i++)
        largest = values[i] > largest ? values[i] : largest;
    if (largest < QUANTIZATION_LEAST_SCALE)
        return;
    histogram->largest = largest;
    widen(histogram, largest);
    float bins_a_unit = (float)CALIBRATION_HISTOGRAM_BINS / histogram->range;
    for (size_t i = 0; i < count; i++) {
        size_t bin = values[i] > 0 ? (size_t)(values[i] * bins_a_unit) : 0;
        if (values[i] > 0)
            histogram
                ->counts[bin < CALIBRATION_HISTOGRAM_BINS ? bin : CALIBRATION_HISTOGRAM_BINS - 1]++;
    }
}

float calibration_histogram_max_step(const struct calibration_histogram *histogram)
{
    return histogram->largest > 0
               ? fmaxf(histogram->largest / REQUANTIZE_LEVEL_MAX, QUANTIZATION_LEAST_SCALE)
               : 1.0f;
}

static double error_of(const struct calibration_histogram *histogram, double step)
{
    double width = (double)histogram->range / CALIBRATION_HISTOGRAM_BINS, error = 0;
    for (size_t i = 0; i < CALIBRATION_HISTOGRAM_BINS; i++) {
        double value = ((double)i + 0.5) * width;
        double off = fmin(rint(value / step), REQUANTIZE_LEVEL_MAX) * step - value;
        error += (double)histogram->counts[i] * off * off;
    }
    return error;
}

float calibration_histogram_least_error_step(const struct calibration_histogram *histogram)
{
    float whole = calibration_histogram_max_step(histogram), best = whole;
    double least = INFINITY;
    for (int i = 0; i < CANDIDATES && histogram->largest > 0; i++) {
        float step = fmaxf(whole * (1.0f - 0.01f * (float)i), QUANTIZATION_LEAST_SCALE);
        double error = error_of(histogram, (double)step);
        if (error < least) {
            least = error;
            best = step;
        }
    }
    return best;
}
