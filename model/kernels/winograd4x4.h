/* 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3), all but the
 * instructions: geometry, weight transform, units of work, scratch.
 *
 * A tile of 4x4 outputs depends on a window of 6x6 inputs d. With Y = AT [(G g GT) * (BT d B)] A,
 * where * is elementwise and g the 3x3 weights, each of the 36 elements ("points") is a matrix
 * product of its own: M [tiles, out] = V [tiles, in] x U [in, out]. That is 36 multiplications for
 * what takes 144. The matrices are Toom-Cook's for the points 0, 1, -1, 1/2, -2 and infinity, which
 * lose the fewest bits of those that were tried, about two. (A. Lavin and S. Gray, "Fast Algorithms
 * for Convolutional Neural Networks", 2015.) */
#ifndef CLASSIFYD_MODEL_KERNELS_WINOGRAD4X4_H
#define CLASSIFYD_MODEL_KERNELS_WINOGRAD4X4_H

#include "model/kernels/kernels.h"

enum {
    WINOGRAD4X4_TILE_PX = 4,
    WINOGRAD4X4_WINDOW_PX = 6,
    WINOGRAD4X4_POINTS = 36,
    WINOGRAD4X4_LANES = 16, /* channels are padded to a multiple of this */
};

/* The inputs of one tile. Where a row or column lies outside of what may be read, its pointer or
 * offset is that of another one and its value is to be taken as zero. */
struct winograd4x4_window {
    const float *rows[WINOGRAD4X4_WINDOW_PX];
    ptrdiff_t columns[WINOGRAD4X4_WINDOW_PX]; /* offsets from a row's pointer, in elements */
    bool has_row[WINOGRAD4X4_WINDOW_PX], has_column[WINOGRAD4X4_WINDOW_PX];
    bool is_whole; /* all of them can be read */
};

/* The product of one point: m [tiles, width] = v [tiles, in] x u, whose panels are
 * [in, panel channels] each, the last one what is left of `width`. Each element is one sum in the
 * order of the input channels. */
struct winograd4x4_product {
    size_t tiles, in, width; /* width: a multiple of WINOGRAD4X4_LANES */
    const float *v;
    const float *u;      /* 64-byte aligned */
    const float *next_u; /* of as many floats: read next, to be fetched meanwhile */
    float *m;            /* 64-byte aligned */
    size_t v_stride, m_stride;
};

/* The outputs of one tile, some channels of them. */
struct winograd4x4_patch {
    float *out;
    const float *residual; /* NULL: none; may be `out` */
    const float *bias;     /* [channels] padded to lanes, 64-byte aligned */
    size_t row_stride, pixel_stride, residual_row_stride, residual_pixel_stride;
    size_t rows, columns; /* of the tile that lie in the image, 1 to 4 */
    size_t channels;
    bool has_relu;
};

/* What an instruction set brings along. A point's matrix begins `point_stride` floats after the
 * point's before; point (i, j) has number 6 * i + j. */
struct winograd4x4_parts {
    size_t panel_channels; /* of U; a multiple of WINOGRAD4X4_LANES */
    /* Writes BT d B of `channels` channels, the last vector's rest as zeros. */
    void (*transform_input)(const struct winograd4x4_window *window, size_t channels, float *ret_v,
                            size_t point_stride);
    void (*multiply)(const struct winograd4x4_product *product);
    /* Writes relu?(AT m A + residual? + bias). */
    void (*transform_output)(const struct winograd4x4_patch *patch, const float *m,
                             size_t point_stride);
};

/* A float convolution 3x3 of stride 1, padding 1 and one group, of any number of channels and any
 * size, with a residual or a projection or neither. */
bool winograd4x4_supports(const struct step *step);

/* Bias, then U [block of output channels][point][panel][in][panel channels], then the projection's
 * weights [panel][its channels][panel channels]. */
size_t winograd4x4_packed_bytes(const struct step *step);
void winograd4x4_pack(const struct step *step, const struct step_weights *weights,
                      size_t panel_channels, void *ret_packed);

size_t winograd4x4_scratch_bytes(const struct step *step);

/* A unit is a strip of tiles, of one image or several, times some blocks of output channels. */
size_t winograd4x4_units(const struct step *step, size_t images);

void winograd4x4_run(const struct winograd4x4_parts *parts, const struct step_run *run,
                     size_t first, size_t last, void *scratch);

#endif
