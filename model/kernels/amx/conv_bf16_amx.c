#include "model/kernels/amx/conv_bf16_amx.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/amx/block.h"
#include "model/kernels/amx/image_rows.h"
#include "model/kernels/requantize.h"

/* Packed: offset [channels, padded to 32]; the values of pixel levels [256, 3], for a first step;
 * the panels of weights. These are the sizes of the first two in bytes. */
static size_t offset_bytes(const struct strip_cut *cut)
{
    return cut->panels * STRIP_PANEL * sizeof(float);
}

static size_t values_bytes(const struct strip_cut *cut)
{
    return cut->sources[0].is_slot ? IMAGE_ROWS_LEVELS * IMAGE_ROWS_RGB * sizeof(uint16_t) : 0;
}

static bool supports(const struct step *step)
{
    return (step->op == STEP_CONV || image_rows_has(step)) && step->arithmetic == STEP_BF16 &&
           step->groups == 1 && step->input->type != TENSOR_F32 &&
           (!step->projection || step->projection->type != TENSOR_F32);
}

static size_t packed_bytes(const struct step *step)
{
    struct strip_cut cut = strip_cut_of(step, 2);
    return offset_bytes(&cut) + values_bytes(&cut) + strip_weights_bytes(&cut);
}

/* The weights of output channel `out` for one source. */
static void pack_source(const struct strip_cut *cut, size_t s, const float *weight, size_t out,
                        uint8_t *panels)
{
    const struct strip_source *source = &cut->sources[s];
    float scale = source->is_slot ? 1.0f : source->tensor->scale;
    size_t channels = source->tensor->channels;
    for (size_t tap = 0; tap < (size_t)source->kernel_px * source->kernel_px; tap++)
        for (size_t c = 0; c < channels; c++) {
            uint16_t packed = bfloat16_of_f32(*weight++ * scale);
            memcpy(panels + strip_weight_offset(cut, s, out, tap * source->tap_bytes + 2 * c),
                   &packed, sizeof packed);
        }
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    struct strip_cut cut = strip_cut_of(step, 2);
    size_t taps = (size_t)step->kernel_px * step->kernel_px * step->input->channels;
    memset(ret_packed, 0, packed_bytes(step));
    float *offset = ret_packed;
    uint8_t *values = (uint8_t *)ret_packed + offset_bytes(&cut);
    uint8_t *panels = values + values_bytes(&cut);
    if (step->op == STEP_CONV_INPUT)
        image_rows_fill_values(step, (uint16_t *)(void *)values);
    for (size_t out = 0; out < step->output->channels; out++) {
        offset[out] = requantize_offset(step, (double)weights->bias[out]);
        pack_source(&cut, 0, weights->weight + out * taps, out, panels);
        if (step->projection)
            pack_source(&cut, 1, weights->projection + out * step->projection->channels, out,
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
    const uint8_t *values = (const uint8_t *)run->step->packed + offset_bytes(&cut);
    finish.offset = run->step->packed;
    cut.pixel_values = (const uint16_t *)(const void *)values;
    block_run_units(run, first, last, scratch, &cut, &finish, values + values_bytes(&cut), true);
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
