/* The loop that runs on the tiles, for both element types: a block of 32 pixels by 32 output
 * channels is summed over all of K in four tiles, while the sums of the block before it are
 * finished between its steps. That is where vector instructions cost nothing: 64 of them run beside
 * a step's four tile products (BENCHMARKS.md).
 *
 * Tiles 0 and 1 hold the first 16 pixels' sums, 2 and 3 the second's, 4 and 5 pixels, 6 and 7
 * weights. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_BLOCK_H
#define CLASSIFYD_MODEL_KERNELS_AMX_BLOCK_H

#include <immintrin.h>

#include "model/kernels/amx/finish.h"
#include "model/kernels/amx/strip.h"
#include "model/kernels/amx/tiles.h"

/* The block whose sums wait to be finished. */
struct block_waiting {
    const struct finish *finish;
    struct finish_block block;
    size_t done; /* pixels; all of them where nothing waits */
};

static inline void block_finish_some(struct block_waiting *waiting, size_t pixels)
{
    size_t first = waiting->done, left = waiting->block.pixels - first;
    if (left == 0)
        return;
    waiting->done += left < pixels ? left : pixels;
    waiting->finish->rows(waiting->finish, &waiting->block, first, waiting->done);
}

static inline void block_finish_all(struct block_waiting *waiting)
{
    block_finish_some(waiting, waiting->block.pixels);
}

/* Adds a source's steps to the sums. `right` is NULL where the block has but 16 pixels; `a_step`:
 * how many waiting pixels are finished beside each. */
static inline __attribute__((always_inline)) void
block_add(const struct strip_rows *left, const struct strip_rows *right, size_t steps,
          const uint8_t *weights, bool is_bf16, struct block_waiting *waiting, size_t a_step)
{
    for (size_t k = 0; k < steps; k++, weights += STRIP_WEIGHT_BYTES) {
        _tile_loadd(4, left->base + left->offsets[k], left->stride_bytes);
        _tile_loadd(6, weights, STRIP_STEP_BYTES);
        _tile_loadd(7, weights + STRIP_TILE_BYTES, STRIP_STEP_BYTES);
        if (is_bf16) {
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
        } else {
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
        }
        if (right) {
            _tile_loadd(5, right->base + right->offsets[k], right->stride_bytes);
            if (is_bf16) {
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            } else {
                _tile_dpbusd(2, 5, 6);
                _tile_dpbusd(3, 5, 7);
            }
        }
        block_finish_some(waiting, a_step);
    }
}

/* One block: pixels from tile `pair` * 2 of the strip, output channels of `panel`. */
static inline __attribute__((always_inline)) void
block_run(const struct strip_cut *cut, struct strip *strip, size_t pair, size_t panel,
          const uint8_t *weights, bool is_bf16, struct block_waiting *waiting)
{
    size_t first = pair * 2 * STRIP_TILE_PX;
    size_t pixels =
        strip->pixels - first < 2 * STRIP_TILE_PX ? strip->pixels - first : 2 * STRIP_TILE_PX;
    bool has_right = pixels > STRIP_TILE_PX;
    size_t a_step = (waiting->block.pixels + cut->steps - 1) / cut->steps;
    a_step += a_step % 2; /* they are finished in pairs */
    weights += panel * cut->steps * STRIP_WEIGHT_BYTES;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t s = 0; s < cut->source_count; s++) {
        const struct strip_rows *rows = &strip->rows[s][pair * 2];
        block_add(rows, has_right ? rows + 1 : NULL, cut->sources[s].steps, weights, is_bf16,
                  waiting, a_step);
        weights += cut->sources[s].steps * STRIP_WEIGHT_BYTES;
    }
    block_finish_all(waiting);
    uint8_t *sums = strip->sums;
    _tile_stored(0, sums, STRIP_STEP_BYTES);
    _tile_stored(1, sums + STRIP_TILE_BYTES, STRIP_STEP_BYTES);
    if (has_right) {
        _tile_stored(2, sums + 2 * STRIP_TILE_BYTES, STRIP_STEP_BYTES);
        _tile_stored(3, sums + 3 * STRIP_TILE_BYTES, STRIP_STEP_BYTES);
    }
    waiting->block = (struct finish_block){sums, strip->output + first, strip->residual + first,
                                           pixels, panel * STRIP_PANEL};
    waiting->done = 0;
}

/* Zeroes what lies behind the last rows of the images that end in the strip. */
static inline void block_clear_padding(const struct strip_cut *cut, const struct step_run *run,
                                       size_t index)
{
    const struct tensor *output = cut->step->output;
    size_t pixels = (size_t)output->height_px * output->width_px;
    size_t last = (index + 1) * STRIP_PX / pixels;
    for (size_t image = index * STRIP_PX / pixels; image < last && image < run->images; image++)
        tensor_clear_padding(output, run->buffers, run->first_image + image);
}

/* The `run` of a kernel whose factors have that type. */
static inline __attribute__((always_inline)) void
block_run_units(const struct step_run *run, size_t first, size_t last, void *scratch,
                const struct strip_cut *cut, const struct finish *finish, const uint8_t *weights,
                bool is_bf16)
{
    struct strip *strip = NULL;
    struct block_waiting waiting = {.finish = finish};
    tiles_configure();
    strip_begin(cut, scratch);
    for (size_t unit = first; unit < last; unit++) {
        size_t panel = unit % cut->panels;
        if (!strip || panel == 0) {
            block_finish_all(&waiting); /* it points into the strip before */
            strip = strip_open(cut, run, unit / cut->panels, scratch);
            tiles_barrier();
        }
        if (panel == 0)
            block_clear_padding(cut, run, unit / cut->panels);
        for (size_t pair = 0; pair * 2 * STRIP_TILE_PX < strip->pixels; pair++)
            block_run(cut, strip, pair, panel, weights, is_bf16, &waiting);
    }
    block_finish_all(&waiting);
    tiles_release();
}

#endif
