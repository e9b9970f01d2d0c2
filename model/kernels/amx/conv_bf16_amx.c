#include "model/kernels/amx/conv_bf16_amx.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/amx/block.h"
#include "model/kernels/requantize.h"

/* Packed: offset [channels, padded to 32], then the panels of weights. */
static size_t padded_channels(const struct strip_cut *cut)
{
    return cut->panels * STRIP_PANEL;
}

static bool supports(const struct step *step)
{
    return step->op == STEP_CONV && step->arithmetic == STEP_BF16 && step->groups == 1 &&
           step->input->type != TENSOR_F32 &&
           (!step->projection || step->projection->type != TENSOR_F32);
}

static size_t packed_bytes(const struct step *step)
{
    struct strip_cut cut = strip_cut_of(step, 2);
    return padded_channels(&cut) * sizeof(float) + strip_weights_bytes(&cut);
}

/* The weights of output channel `out` for the taps of one source, which begins at step `first`. */
static void pack_source(const struct strip_cut *cut, const struct strip_source *source,
                        const float *weight, size_t out, size_t first, uint8_t *panels)
{
    size_t channels = source->tensor->channels;
    for (size_t tap = 0; tap < (size_t)source->kernel_px * source->kernel_px; tap++)
        for (size_t c = 0; c < channels; c++) {
            size_t step = first + tap * source->tap_steps + 2 * c / STRIP_STEP_BYTES;
            uint16_t rounded = bfloat16_of_f32(weight[tap * channels + c] * source->tensor->scale);
            memcpy(panels + strip_weight_offset(cut, out, step, 2 * c % STRIP_STEP_BYTES), &rounded,
                   sizeof rounded);
        }
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    struct strip_cut cut = strip_cut_of(step, 2);
    const struct strip_source *own = &cut.sources[0];
    size_t taps = (size_t)step->kernel_px * step->kernel_px * step->input->channels;
    float *offset = ret_packed;
    uint8_t *panels = (uint8_t *)(offset + padded_channels(&cut));
    memset(ret_packed, 0, packed_bytes(step));
    for (size_t out = 0; out < step->output->channels; out++) {
        offset[out] = requantize_offset(step, (double)weights->bias[out]);
        pack_source(&cut, own, weights->weight + out * taps, out, 0, panels);
        if (step->projection)
            pack_source(&cut, &cut.sources[1],
                        weights->projection + out * step->projection->channels, out, own->steps,
                        panels);
    }
}

static size_t scratch_bytes(const struct step *step)
{
    struct strip_cut cut = strip_cut_of(step, 2);
    return strip_scratch_bytes(&cut);
}

static size_t units(const struct step *step, size_t images)
{
    struct strip_cut cut = strip_cut_of(step, 2);
    return strip_count(&cut, images) * cut.panels;
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    assert(supports(run->step) && last <= units(run->step, run->images));
    struct strip_cut cut = strip_cut_of(run->step, 2);
    struct finish finish = finish_of(run->step);
    finish.offset = run->step->packed;
    const uint8_t *weights = (const uint8_t *)(finish.offset + padded_channels(&cut));
    block_run_units(run, first, last, scratch, &cut, &finish, weights, true);
}

const struct kernel conv_bf16_amx = {
    .name = "conv_bf16_amx",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
