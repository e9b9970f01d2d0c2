/* How a convolution is laid before AMX: which pixels and channels belong together, where a tile's
 * rows lie, and in which order K is summed.
 *
 * A tile holds 16 pixels of 64 bytes of K, the factor beside it 16 output channels of the same
 * bytes. K is cut into steps of 64 bytes, tap by tap in rows, the projection's behind: the order of
 * every sum depends on the layer alone. Output pixels are numbered through all images of a run; 128
 * of them are a strip, 32 output channels a panel, and a strip's panel is a unit of work. A tile is
 * loaded from the activations where its 16 pixels lie at one distance from each other in a tensor
 * whose halo covers the padding; else its rows are gathered once for all panels of the strip. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_STRIP_H
#define CLASSIFYD_MODEL_KERNELS_AMX_STRIP_H

#include "model/kernels/kernels.h"

enum {
    STRIP_TILE_PX = 16,
    STRIP_TILES = 8,
    STRIP_PX = STRIP_TILE_PX * STRIP_TILES,
    STRIP_PANEL = 32,         /* output channels */
    STRIP_STEP_BYTES = 64,    /* of K */
    STRIP_TILE_BYTES = 1024,  /* 16 rows of a step */
    STRIP_WEIGHT_BYTES = 2048 /* a panel's weights of a step */
};

/* One summand of the convolution: its input, or the projection. */
struct strip_source {
    const struct tensor *tensor;
    uint32_t kernel_px, stride_px, pad_px;
    size_t tap_bytes;   /* of K; whole steps, but where a slot's pixels are the input */
    size_t steps;       /* of K */
    bool is_slot;       /* STEP_CONV_INPUT: always gathered, see image_rows.h */
    bool is_widened;    /* u8 in memory, bfloat16 in the tile */
    bool is_direct;     /* tiles may be loaded from where the tensor lies */
    size_t apart_bytes; /* from an output pixel's first tap to the next one's in its row */
    bool goes_on_in_rows, goes_on_in_images; /* so far from a row's last pixel to the next row's
                                                first, too, or an image's to the next image's */
};

/* A step seen so; cheap to make. */
struct strip_cut {
    const struct step *step;
    size_t element_bytes; /* of a factor in a tile: 1 or 2 */
    struct strip_source sources[2];
    size_t source_count;
    size_t steps; /* of K, over all sources */
    size_t panels;
    const uint16_t *pixel_values; /* see image_rows.h; to be set by who runs the step */
};

/* Where an output pixel is. */
struct strip_place {
    size_t image;
    uint32_t y, x;
};

/* Where the 16 rows of a tile lie: row r of step k at base + offsets[k] + r * stride_bytes. */
struct strip_rows {
    const uint8_t *base;
    size_t stride_bytes;
    const size_t *offsets;
};

/* A strip that is being worked on; lives in a thread's scratch. */
struct strip {
    _Alignas(64) uint8_t sums[4 * STRIP_TILE_BYTES]; /* of the block that waits, see block.h */
    size_t pixels;
    uint8_t *output[STRIP_PX];         /* each pixel's first channel */
    const uint8_t *residual[STRIP_PX]; /* set where the step has one */
    struct strip_rows rows[2][STRIP_TILES];
};

struct strip_cut strip_cut_of(const struct step *step, size_t element_bytes);

/* Strips of a run of `images`. A unit is strip * panels + panel. */
size_t strip_count(const struct strip_cut *cut, size_t images);

/* Where the weight of output channel `out` for byte `byte` of source `source`'s K lies, in bytes
 * from the first panel's. */
size_t strip_weight_offset(const struct strip_cut *cut, size_t source, size_t out, size_t byte);
size_t strip_weights_bytes(const struct strip_cut *cut);

size_t strip_scratch_bytes(const struct strip_cut *cut);

/* To be called before the first strip of a run. */
void strip_begin(const struct strip_cut *cut, void *scratch);

/* Lays out strip `index` in `scratch` and gathers what has to be. */
struct strip *strip_open(const struct strip_cut *cut, const struct step_run *run, size_t index,
                         void *scratch);

#endif
