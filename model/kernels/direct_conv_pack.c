#include "model/kernels/direct_conv_pack.h"

#include <string.h>

#include "model/kernels/requantize.h"

enum { LINE_BYTES = 64 };

size_t direct_conv_pack_elements(const struct direct_conv *conv)
{
    switch (conv->arithmetic) {
    case STEP_INT8:
        return conv->is_widened ? 2 : 4;
    case STEP_BF16:
        return conv->is_widened ? 1 : 2;
    case STEP_FLOAT32:
        break;
    }
    return 1;
}

static size_t divide_up(size_t value, size_t divisor)
{
    return (value + divisor - 1) / divisor;
}

/* The narrowest panel that holds `channels`, or the widest. */
static size_t choose_panel(const struct direct_conv *conv, uint32_t channels)
{
    size_t index = 0;
    while (conv->panels[index].channels < channels && conv->panels[index + 1].channels)
        index++;
    return index;
}

static uint32_t merged_groups(const struct direct_conv *conv, const struct step *step)
{
    uint32_t width = step->output->channels / step->groups, merged = 1;
    while (step->groups % (merged * 2) == 0 && width * merged * 2 <= conv->panels[0].channels)
        merged *= 2;
    return step->groups > 1 ? merged : 1;
}

struct direct_conv_layout direct_conv_pack_layout(const struct direct_conv *conv,
                                                  const struct step *step, size_t taps,
                                                  size_t tap_elements)
{
    struct direct_conv_layout layout = {.merged = merged_groups(conv, step)};
    size_t elements = direct_conv_pack_elements(conv);
    layout.groups = step->groups / layout.merged;
    layout.group_in = step->input->channels / layout.groups;
    layout.group_out = step->output->channels / layout.groups;
    size_t panel = choose_panel(conv, layout.group_out);
    layout.panel_channels = conv->panels[panel].channels;
    layout.run = conv->panels[panel].run;
    layout.group_panels = (uint32_t)divide_up(layout.group_out, layout.panel_channels);
    layout.panels = (size_t)layout.group_panels * layout.groups;
    layout.tap_steps = divide_up(tap_elements, elements);
    layout.projection_steps =
        step->projection ? divide_up(step->projection->channels, elements) : 0;
    layout.panel_steps = taps * layout.tap_steps + layout.projection_steps;
    return layout;
}

static size_t factors(const struct direct_conv_layout *layout)
{
    return divide_up(layout->panels * layout->panel_channels * sizeof(float), LINE_BYTES) *
           LINE_BYTES;
}

static size_t weights_bytes(const struct direct_conv_layout *layout)
{
    return layout->panel_steps * layout->panel_channels * DIRECT_CONV_STEP_BYTES;
}

size_t direct_conv_pack_bytes(const struct direct_conv_layout *layout)
{
    return 2 * factors(layout) + layout->panels * weights_bytes(layout);
}

void direct_conv_pack_channels(const struct direct_conv_layout *layout, size_t panel,
                               size_t *ret_first, size_t *ret_count)
{
    size_t group = panel / layout->group_panels, within = panel % layout->group_panels;
    size_t first = within * layout->panel_channels, left = layout->group_out - first;
    *ret_first = group * layout->group_out + first;
    *ret_count = left < layout->panel_channels ? left : layout->panel_channels;
}

float *direct_conv_pack_multiplier(const struct direct_conv_layout *layout, void *packed)
{
    (void)layout;
    return packed;
}

float *direct_conv_pack_offset(const struct direct_conv_layout *layout, void *packed)
{
    return (float *)(void *)((uint8_t *)packed + factors(layout));
}

uint8_t *direct_conv_pack_weights(const struct direct_conv_layout *layout, void *packed,
                                  size_t panel)
{
    return (uint8_t *)packed + 2 * factors(layout) + panel * weights_bytes(layout);
}

float direct_conv_pack_scale(const struct direct_conv *conv, const struct step_weights *weights,
                             size_t o)
{
    return conv->arithmetic == STEP_INT8 ? weights->scale[o] : 1.0f;
}

int8_t direct_conv_pack_put(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                            uint8_t *weights, size_t channel, size_t step_index, size_t element,
                            float weight, float input_scale, float scale)
{
    uint8_t *to =
        weights + (step_index * layout->panel_channels + channel) * DIRECT_CONV_STEP_BYTES;
    if (conv->arithmetic == STEP_INT8) {
        int8_t level = requantize_weight(weight, input_scale, scale);
        /* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): a number, no character */
        int16_t wide = level;
        if (conv->is_widened)
            memcpy(to + element * sizeof wide, &wide, sizeof wide);
        else
            to[element] = (uint8_t)level;
        return level;
    }
    float value = weight * input_scale;
    uint16_t half = bfloat16_of_f32(value);
    if (conv->arithmetic == STEP_BF16)
        value = bfloat16_to_f32(half);
    if (conv->arithmetic == STEP_BF16 && !conv->is_widened)
        memcpy(to + element * sizeof half, &half, sizeof half);
    else
        memcpy(to, &value, sizeof value);
    return 0;
}

/* The arithmetic is asked for once a run here, not once an element: a network has 25 million. */
void direct_conv_pack_put_run(const struct direct_conv *conv,
                              const struct direct_conv_layout *layout, uint8_t *weights,
                              size_t channel, size_t step_index, size_t first, const float *run,
                              size_t count, float input_scale, float scale)
{
    size_t elements = direct_conv_pack_elements(conv);
    size_t step_bytes = (size_t)layout->panel_channels * DIRECT_CONV_STEP_BYTES;
    uint8_t *to =
        weights + (step_index + first / elements) * step_bytes + channel * DIRECT_CONV_STEP_BYTES;
    if (conv->arithmetic == STEP_FLOAT32)
        for (size_t i = 0; i < count; i++, to += step_bytes) {
            float value = run[i] * input_scale;
            memcpy(to, &value, sizeof value);
        }
    else
        for (size_t i = 0; i < count; i++)
            direct_conv_pack_put(conv, layout, weights, channel,
                                 step_index + (first + i) / elements, (first + i) % elements,
                                 run[i], input_scale, scale);
}

void direct_conv_pack_open(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                           const struct step *step, size_t index, struct direct_conv_panel *panel)
{
    /* What is read here was written by this file; the views take and return the same memory. */
    void *packed = (void *)(uintptr_t)step->packed;
    direct_conv_pack_channels(layout, index, &panel->first_channel, &panel->channels);
    panel->weights = direct_conv_pack_weights(layout, packed, index);
    panel->multiplier =
        direct_conv_pack_multiplier(layout, packed) + index * layout->panel_channels;
    panel->offset = direct_conv_pack_offset(layout, packed) + index * layout->panel_channels;
    panel->source_offset_bytes = index / layout->group_panels * layout->group_in *
                                 DIRECT_CONV_STEP_BYTES / direct_conv_pack_elements(conv);
}
