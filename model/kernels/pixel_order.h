/* The order in which a convolution's output pixels are computed, such that those that read the same
 * taps inside the image stand together: what a tile of them need not read, it can leave out. Of a
 * 3x3 with padding that is a fifth at 7 pixels a side, and 2 % at 56.
 *
 * Rows of a pass's images that read the same rows of taps make a band, columns likewise. The order
 * is by band of rows, band of columns, image, row, column. */
#ifndef CLASSIFYD_MODEL_KERNELS_PIXEL_ORDER_H
#define CLASSIFYD_MODEL_KERNELS_PIXEL_ORDER_H

#include "model/kernels/kernels.h"

/* Taps [first_y, last_y) x [first_x, last_x) of a kernel. */
struct pixel_taps {
    uint32_t first_y, last_y, first_x, last_x;
};

enum { PIXEL_ORDER_MAX_BANDS = 16 }; /* a side; kernels of 8 pixels make 15 at most */

struct pixel_band {
    uint32_t first, count, first_tap, last_tap;
};

struct pixel_order {
    size_t images, row_bands, column_bands;
    struct pixel_band rows[PIXEL_ORDER_MAX_BANDS], columns[PIXEL_ORDER_MAX_BANDS];
};

/* Output pixels of one row that follow each other in the order. */
struct pixel_run {
    size_t image, y, x, count;
    struct pixel_taps taps; /* those of each pixel that lie inside the image, at least */
};

/* The order of `images` images. Of a step with kernel_px <= 8 and pad_px < kernel_px. */
struct pixel_order pixel_order_by_taps(const struct step *step, size_t images);

/* Image by image, row by row, every pixel with all taps. */
struct pixel_order pixel_order_by_rows(const struct step *step, size_t images);

/* The run that begins with the order's pixel `index`, less than images * height * width. */
struct pixel_run pixel_order_run(const struct pixel_order *order, size_t index);

#endif
