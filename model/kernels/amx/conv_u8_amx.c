#include "model/kernels/amx/conv_u8_amx.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/amx/block.h"
#include "model/kernels/amx/image_rows.h"
#include "model/kernels/requantize.h"

/* Packed: multiplier and offset, [channels, padded to 32] each, then the panels of weights. */
static size_t padded_channels(const struct strip_cut *cut)
{
    return cut->panels * STRIP_PANEL;
}

static bool supports(const struct step *step)
{
    return (step->op == STEP_CONV || image_rows_has(step)) && step->arithmetic == STEP_INT8 &&
           step->groups == 1 && step->input->type == TENSOR_U8 &&
           (!step->projection || step->projection->type == TENSOR_U8);
}

static size_t packed_bytes(const struct step *step)
{
    struct strip_cut cut = strip_cut_of(step, 1);
    return 2 * padded_channels(&cut) * sizeof(float) + strip_weights_bytes(&cut);
}

/* The weights of output channel `out` for one source; what the mean adds to the bias, where the
 * source is a slot's pixels. */
static double pack_source(const struct strip_cut *cut, size_t s, const float *weight, float scale,
                          size_t out, int8_t *panels)
{
    const struct strip_source *source = &cut->sources[s];
    size_t channels = source->tensor->channels;
    size_t taps = (size_t)source->kernel_px * source->kernel_px;
    int8_t slot_weights[IMAGE_ROWS_MAX_KERNEL_PX * IMAGE_ROWS_MAX_KERNEL_PX * IMAGE_ROWS_RGB] = {0};
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < channels; c++) {
            float input_scale =
                source->is_slot ? requantize_pixel_scale(cut->step, c) : source->tensor->scale;
            int8_t packed = requantize_weight(*weight++, input_scale, scale);
            panels[strip_weight_offset(cut, s, out, tap * source->tap_bytes + c)] = packed;
            if (source->is_slot)
                slot_weights[tap * channels + c] = packed;
        }
    return source->is_slot ? requantize_mean_bias(cut->step, slot_weights, taps, scale) : 0;
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    struct strip_cut cut = strip_cut_of(step, 1);
    size_t taps = (size_t)step->kernel_px * step->kernel_px * step->input->channels;
    float *multiplier = ret_packed, *offset = multiplier + padded_channels(&cut);
    int8_t *panels = (int8_t *)(offset + padded_channels(&cut));
    memset(ret_packed, 0, packed_bytes(step));
    for (size_t out = 0; out < step->output->channels; out++) {
        float scale = weights->scale[out];
        double bias = (double)weights->bias[out];
        bias += pack_source(&cut, 0, weights->weight + out * taps, scale, out, panels);
        if (step->projection)
            pack_source(&cut, 1, weights->projection + out * step->projection->channels, scale, out,
                        panels);
        multiplier[out] = requantize_multiplier(step, scale);
        offset[out] = requantize_offset(step, bias);
    }
}

static size_t scratch_bytes(const struct step *step)
{
    struct strip_cut cut = strip_cut_of(step, 1);
    return strip_scratch_bytes(&cut);
}

static size_t units(const struct step *step, size_t images)
{
    struct strip_cut cut = strip_cut_of(step, 1);
    return strip_count(&cut, images) * cut.panels;
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    assert(supports(run->step) && last <= units(run->step, run->images));
    struct strip_cut cut = strip_cut_of(run->step, 1);
    struct finish finish = finish_of(run->step);
    finish.multiplier = run->step->packed;
    finish.offset = finish.multiplier + padded_channels(&cut);
    const uint8_t *weights = (const uint8_t *)(finish.offset + padded_channels(&cut));
    block_run_units(run, first, last, scratch, &cut, &finish, weights, false);
}

const struct kernel conv_u8_amx = {
    .name = "conv_u8_amx",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
