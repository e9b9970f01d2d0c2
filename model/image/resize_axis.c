#include "model/image/resize_axis.h"

#include <math.h>
#include <stdlib.h>

#include "model/base/alloc.h"

/* Weight of a source pixel at `distance`, in units of the filter's half width. */
static double triangle(double distance)
{
    double d = fabs(distance);
    return d < 1.0 ? 1.0 - d : 0.0;
}

/* Fills in the taps of pixel `at` of the resized axis. `scale` is source pixels a result pixel,
 * `support` the filter's half width in source pixels. Each operation rounds as PIL's does, so their
 * order matters. Returns the number of weights written. */
static uint32_t find_taps(uint64_t at, uint32_t source_px, double scale, double support,
                          int32_t *weights, struct resize_taps *ret_taps)
{
    double center = ((double)at + 0.5) * scale;
    double low = center - support + 0.5, high = center + support + 0.5;
    uint32_t first = low < 0 ? 0 : (uint32_t)low;
    uint32_t end = high > source_px ? source_px : (uint32_t)high;
    double per_support = 1.0 / support, sum = 0;
    for (uint32_t i = first; i < end; i++)
        sum += triangle((i - center + 0.5) * per_support);
    for (uint32_t i = first; i < end; i++) {
        double weight = triangle((i - center + 0.5) * per_support);
        if (sum != 0.0)
            weight /= sum;
        weights[i - first] = (int32_t)(0.5 + weight * (1 << RESIZE_WEIGHT_BITS));
    }
    *ret_taps = (struct resize_taps){first, end - first, weights};
    return end - first;
}

/* Where the crop begins on an axis that is `excess` pixels longer: half, ties to even. */
static uint64_t crop_offset(uint64_t excess)
{
    uint64_t half = excess / 2;
    return excess % 2 == 0 ? half : half + (half & 1);
}

/* The filter's half width in source pixels. */
static double support_of(double scale)
{
    return scale < 1.0 ? 1.0 : scale;
}

uint64_t resize_axis_most_taps(uint32_t source_px, uint64_t resized_px)
{
    return (uint64_t)ceil(support_of((double)source_px / (double)resized_px)) * 2 + 1;
}

/* Turns the planned axis around: the order of the pixels, and of each pixel's taps. */
static void reverse(uint32_t source_px, struct resize_axis *axis, uint32_t weight_count)
{
    for (uint32_t i = 0; i < weight_count / 2; i++) {
        int32_t weight = axis->weights[i];
        axis->weights[i] = axis->weights[weight_count - 1 - i];
        axis->weights[weight_count - 1 - i] = weight;
    }
    for (uint32_t i = 0; i < (axis->shown + 1) / 2; i++) {
        struct resize_taps *low = &axis->taps[i], *high = &axis->taps[axis->shown - 1 - i];
        struct resize_taps taps = *low;
        *low = *high;
        *high = taps;
    }
    const int32_t *weights = axis->weights;
    for (uint32_t i = 0; i < axis->shown; i++) {
        struct resize_taps *taps = &axis->taps[i];
        taps->first = source_px - taps->first - taps->count;
        taps->weights = weights;
        weights += taps->count;
    }
}

static void count_from_the_first(struct resize_axis *axis)
{
    const struct resize_taps *last = &axis->taps[axis->shown - 1];
    axis->first = axis->taps[0].first;
    axis->count = last->first + last->count - axis->first;
    for (uint32_t i = 0; i < axis->shown; i++) {
        struct resize_taps *taps = &axis->taps[i];
        taps->first -= axis->first;
        if (taps->count > axis->max_taps)
            axis->max_taps = taps->count;
    }
}

enum status resize_axis_init(const struct resize_axis_options *options, struct resize_axis *axis,
                             struct error *error)
{
    uint64_t resized_px = options->resized_px;
    uint32_t crop_px = options->crop_px, source_px = options->source_px;
    bool fits = resized_px < crop_px;
    uint64_t start = fits ? 0 : crop_offset(resized_px - crop_px);
    axis->shown = fits ? (uint32_t)resized_px : crop_px;
    axis->before = fits ? (crop_px - (uint32_t)resized_px) / 2 : 0;
    axis->is_backwards = options->is_backwards;

    double scale = (double)source_px / (double)resized_px;
    size_t taps_each = (size_t)resize_axis_most_taps(source_px, resized_px), total;
    axis->taps = alloc_array(axis->shown, sizeof *axis->taps, SIZE_MAX);
    if (checked_mul(axis->shown, taps_each, &total))
        axis->weights = alloc_array(total, sizeof *axis->weights, SIZE_MAX);
    if (!axis->taps || !axis->weights)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the weights of a resize");

    uint32_t written = 0;
    for (uint32_t i = 0; i < axis->shown; i++)
        written += find_taps(start + i, source_px, scale, support_of(scale),
                             axis->weights + written, &axis->taps[i]);
    if (axis->is_backwards)
        reverse(source_px, axis, written);
    count_from_the_first(axis);
    return STATUS_OK;
}

void resize_axis_fini(struct resize_axis *axis)
{
    free(axis->taps);
    free(axis->weights);
    *axis = (struct resize_axis){0};
}
