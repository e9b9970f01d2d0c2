#include "model/kernels/pixel_order.h"

#include <assert.h>

/* Output pixel `at` of a side that is `in_px` wide. */
static struct pixel_band band_of(const struct step *step, uint32_t in_px, uint32_t at)
{
    uint32_t first = at * step->stride_px; /* its first tap, counted from the padding's first */
    uint32_t end = in_px + step->pad_px - first;
    return (struct pixel_band){.first = at,
                               .count = 1,
                               .first_tap = first < step->pad_px ? step->pad_px - first : 0,
                               .last_tap = end < step->kernel_px ? end : step->kernel_px};
}

static size_t cut_bands(const struct step *step, uint32_t in_px, uint32_t out_px,
                        struct pixel_band *bands)
{
    size_t count = 0;
    for (uint32_t at = 0; at < out_px; at++) {
        struct pixel_band band = band_of(step, in_px, at);
        if (count > 0 && bands[count - 1].first_tap == band.first_tap &&
            bands[count - 1].last_tap == band.last_tap) {
            bands[count - 1].count++;
        } else {
            assert(count < PIXEL_ORDER_MAX_BANDS);
            bands[count++] = band;
        }
    }
    return count;
}

struct pixel_order pixel_order_by_taps(const struct step *step, size_t images)
{
    const struct tensor *input = step->input, *output = step->output;
    assert(step->pad_px < step->kernel_px);
    struct pixel_order order = {.images = images};
    order.row_bands = cut_bands(step, input->height_px, output->height_px, order.rows);
    order.column_bands = cut_bands(step, input->width_px, output->width_px, order.columns);
    return order;
}

struct pixel_order pixel_order_by_rows(const struct step *step, size_t images)
{
    struct pixel_band rows = {.count = step->output->height_px, .last_tap = step->kernel_px};
    struct pixel_band columns = {.count = step->output->width_px, .last_tap = step->kernel_px};
    return (struct pixel_order){
        .images = images, .row_bands = 1, .column_bands = 1, .rows = {rows}, .columns = {columns}};
}

struct pixel_run pixel_order_run(const struct pixel_order *order, size_t index)
{
    const struct pixel_band *rows = order->rows, *columns = order->columns;
    for (;;) {
        size_t pixels = order->images * rows->count * columns->count;
        if (index < pixels)
            break;
        index -= pixels;
        columns++;
        if (columns == order->columns + order->column_bands) {
            columns = order->columns;
            rows++;
            assert(rows < order->rows + order->row_bands);
        }
    }
    size_t image_px = (size_t)rows->count * columns->count, within = index % image_px;
    size_t x = within % columns->count;
    return (struct pixel_run){
        .image = index / image_px,
        .y = rows->first + within / columns->count,
        .x = columns->first + x,
        .count = columns->count - x,
        .taps = {rows->first_tap, rows->last_tap, columns->first_tap, columns->last_tap}};
}
