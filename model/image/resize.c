#include "model/image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

/* Weights are integers of this many fractional bits: 32 less 8 of the pixel, less 2 for the sign
 * and for sums of weights that are rounded to a little over one. */
#define WEIGHT_BITS 22
#define HALF        (1 << (WEIGHT_BITS - 1))

/* Rows that are gathered together from a turned image, whose pixels of one row lie a stored row
 * apart: one cache line serves them all. */
#define GATHER_ROWS 16U

/* The source pixels that one pixel of the result is made of. */
struct taps {
    uint32_t first, count;
    const int32_t *weights; /* [count] */
};

/* One axis of the resize, cut down to the pixels that the crop shows. */
struct axis {
    uint32_t first, count;  /* source pixels that are needed at all */
    uint32_t shown, before; /* pixels of the crop that are image; black pixels before them */
    struct taps *taps;      /* [shown] */
    int32_t *weights;
};

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
                          int32_t *weights, struct taps *ret_taps)
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
        weights[i - first] = (int32_t)(0.5 + weight * (1 << WEIGHT_BITS));
    }
    *ret_taps = (struct taps){first, end - first, weights};
    return end - first;
}

/* Where the crop begins on an axis that is `excess` pixels longer: half, ties to even. */
static uint64_t crop_offset(uint64_t excess)
{
    uint64_t half = excess / 2;
    return excess % 2 == 0 ? half : half + (half & 1);
}

static void axis_fini(struct axis *axis)
{
    free(axis->taps);
    free(axis->weights);
}

/* Plans one axis of `source_px` that becomes `resized_px` and is cut to `crop_px`. */
static enum status axis_init(uint32_t source_px, uint64_t resized_px, uint32_t crop_px,
                             struct axis *axis, struct error *error)
{
    bool fits = resized_px < crop_px;
    uint64_t start = fits ? 0 : crop_offset(resized_px - crop_px);
    axis->shown = fits ? (uint32_t)resized_px : crop_px;
    axis->before = fits ? (crop_px - (uint32_t)resized_px) / 2 : 0;

    double scale = (double)source_px / (double)resized_px;
    double support = scale < 1.0 ? 1.0 : scale;
    size_t taps_each = (size_t)ceil(support) * 2 + 1, total;
    axis->taps = alloc_array(axis->shown, sizeof *axis->taps, SIZE_MAX);
    if (checked_mul(axis->shown, taps_each, &total))
        axis->weights = alloc_array(total, sizeof *axis->weights, SIZE_MAX);
    if (!axis->taps || !axis->weights)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the weights of a resize");

    int32_t *weights = axis->weights;
    for (uint32_t i = 0; i < axis->shown; i++)
        weights += find_taps(start + i, source_px, scale, support, weights, &axis->taps[i]);
    const struct taps *last = &axis->taps[axis->shown - 1];
    axis->first = axis->taps[0].first;
    axis->count = last->first + last->count - axis->first;
    return STATUS_OK;
}

static uint8_t clipped(int32_t sum)
{
    int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One row: `source` begins with the axis's first needed pixel. */
static void shrink_row(const struct axis *axis, const uint8_t *source, uint8_t *row)
{
    for (uint32_t i = 0; i < axis->shown; i++, row += 3) {
        const struct taps *taps = &axis->taps[i];
        const uint8_t *pixel = source + 3 * (size_t)(taps->first - axis->first);
        int32_t red = HALF, green = HALF, blue = HALF;
        for (uint32_t t = 0; t < taps->count; t++, pixel += 3) {
            red += pixel[0] * taps->weights[t];
            green += pixel[1] * taps->weights[t];
            blue += pixel[2] * taps->weights[t];
        }
        row[0] = clipped(red);
        row[1] = clipped(green);
        row[2] = clipped(blue);
    }
}

/* Copies `rows` rows of `count` pixels out of a view whose pixels do not lie side by side. */
static void gather(const uint8_t *from, const struct image_view *view, uint32_t rows,
                   uint32_t count, uint8_t *to)
{
    for (uint32_t x = 0; x < count; x++) {
        const uint8_t *pixel = from + view->x_step_bytes * (ptrdiff_t)x;
        for (uint32_t y = 0; y < rows; y++, pixel += view->y_step_bytes)
            memcpy(to + 3 * ((size_t)y * count + x), pixel, 3);
    }
}

/* The horizontal pass over the rows that the vertical one needs: [vertical->count, shown, 3]. */
static enum status pass_horizontal(const struct image_view *view, const struct axis *horizontal,
                                   const struct axis *vertical, uint8_t *passed,
                                   struct error *error)
{
    const uint8_t *from = view->origin + view->x_step_bytes * (ptrdiff_t)horizontal->first +
                          view->y_step_bytes * (ptrdiff_t)vertical->first;
    size_t row_bytes = 3 * (size_t)horizontal->shown;
    if (view->x_step_bytes == 3) {
        for (uint32_t y = 0; y < vertical->count; y++)
            shrink_row(horizontal, from + view->y_step_bytes * (ptrdiff_t)y,
                       passed + row_bytes * y);
        return STATUS_OK;
    }
    uint8_t *gathered = alloc_array((size_t)GATHER_ROWS * horizontal->count, 3, SIZE_MAX);
    if (!gathered)
        return error_set(error, STATUS_NO_MEMORY, "no memory for turning an image");
    for (uint32_t y = 0; y < vertical->count; y += GATHER_ROWS) {
        uint32_t rows = vertical->count - y < GATHER_ROWS ? vertical->count - y : GATHER_ROWS;
        gather(from + view->y_step_bytes * (ptrdiff_t)y, view, rows, horizontal->count, gathered);
        for (uint32_t r = 0; r < rows; r++)
            shrink_row(horizontal, gathered + 3 * (size_t)r * horizontal->count,
                       passed + row_bytes * (y + r));
    }
    free(gathered);
    return STATUS_OK;
}

/* One row of the result out of whole rows of the horizontal pass. `sums` is [row_bytes] of work
 * memory: the loops run along the row so that the compiler can make vectors of them. */
static void shrink_column(const struct taps *taps, const uint8_t *rows, size_t row_bytes,
                          int32_t *restrict sums, uint8_t *restrict row)
{
    for (size_t i = 0; i < row_bytes; i++)
        sums[i] = HALF;
    for (uint32_t t = 0; t < taps->count; t++) {
        const uint8_t *source = rows + row_bytes * t;
        int32_t weight = taps->weights[t];
        for (size_t i = 0; i < row_bytes; i++)
            sums[i] += source[i] * weight;
    }
    for (size_t i = 0; i < row_bytes; i++)
        row[i] = clipped(sums[i]);
}

static void pass_vertical(const struct axis *horizontal, const struct axis *vertical,
                          const uint8_t *passed, int32_t *sums, uint32_t crop_px, uint8_t *crop)
{
    size_t row_bytes = 3 * (size_t)horizontal->shown, crop_row_bytes = 3 * (size_t)crop_px;
    if (horizontal->shown < crop_px || vertical->shown < crop_px)
        memset(crop, 0, crop_row_bytes * crop_px);
    crop += vertical->before * crop_row_bytes + 3 * (size_t)horizontal->before;
    for (uint32_t y = 0; y < vertical->shown; y++) {
        const struct taps *taps = &vertical->taps[y];
        shrink_column(taps, passed + row_bytes * (taps->first - vertical->first), row_bytes, sums,
                      crop + crop_row_bytes * y);
    }
}

/* The longer side after the resize: torchvision's int(size * long / short). Its quotient of floats
 * never rounds up to a whole number at these sizes, so integers give the same. */
static uint64_t longer_px(uint32_t resize_px, uint32_t longer, uint32_t shorter)
{
    return (uint64_t)resize_px * longer / shorter;
}

enum status resize_crop(const struct image_view *view, uint32_t resize_px, uint32_t crop_px,
                        uint8_t *crop, struct error *error)
{
    uint32_t width = view->width_px, height = view->height_px;
    bool is_portrait = width <= height;
    uint64_t to_width = is_portrait ? resize_px : longer_px(resize_px, width, height);
    uint64_t to_height = is_portrait ? longer_px(resize_px, height, width) : resize_px;

    struct axis horizontal = {0}, vertical = {0};
    uint8_t *passed = NULL;
    int32_t *sums = NULL;
    enum status status = axis_init(width, to_width, crop_px, &horizontal, error);
    if (status == STATUS_OK)
        status = axis_init(height, to_height, crop_px, &vertical, error);
    if (status != STATUS_OK)
        goto out;

    size_t row_bytes = 3 * (size_t)horizontal.shown;
    passed = alloc_array(vertical.count, row_bytes, SIZE_MAX);
    sums = alloc_array(row_bytes, sizeof *sums, SIZE_MAX);
    if (!passed || !sums) {
        status = error_set(error, STATUS_NO_MEMORY, "no memory for a resize");
        goto out;
    }
    status = pass_horizontal(view, &horizontal, &vertical, passed, error);
    if (status == STATUS_OK)
        pass_vertical(&horizontal, &vertical, passed, sums, crop_px, crop);
out:
    free(sums);
    free(passed);
    axis_fini(&vertical);
    axis_fini(&horizontal);
    return status;
}
