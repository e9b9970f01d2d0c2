/* The first layer: output rows from input rows that are normalised (or, for int8, copied) into the
 * scratch with what stands outside the image around them. */
#include <assert.h>
#include <string.h>

#include "model/kernels/direct_conv.h"
#include "model/kernels/direct_conv_pack.h"
#include "model/kernels/requantize.h"

enum {
    RGB = REQUANTIZE_RGB,
    ROW_SLACK_BYTES = 64, /* the last K step of a row's last pixel may reach over its end */
    LINE_BYTES = 64,
};

static size_t row_elements(const struct step *step)
{
    return (size_t)step->kernel_px * RGB;
}

/* A "tap" is an input row of the window: its pixels lie side by side. */
static struct direct_conv_layout layout_of(const struct direct_conv *conv, const struct step *step)
{
    return direct_conv_pack_layout(conv, step, step->kernel_px, row_elements(step));
}

bool direct_conv_input_supports(const struct direct_conv *conv, const struct step *step)
{
    return step->op == STEP_CONV_INPUT && step->arithmetic == conv->arithmetic &&
           step->groups == 1 && !step->residual && !step->projection &&
           step->input->type == TENSOR_U8 && step->input->channels == RGB &&
           step->kernel_px <= DIRECT_CONV_MAX_SEGMENTS &&
           (conv->arithmetic != STEP_FLOAT32 || step->output->type == TENSOR_F32) &&
           (conv->arithmetic != STEP_INT8 || step->output->type != TENSOR_BF16);
}

size_t direct_conv_input_packed_bytes(const struct direct_conv *conv, const struct step *step)
{
    struct direct_conv_layout layout = layout_of(conv, step);
    return direct_conv_pack_bytes(&layout);
}

/* Returns what the mean adds to the bias of output channel `o`. */
static double pack_channel(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                           const struct step *step, const struct step_weights *weights, size_t o,
                           uint8_t *panel, size_t at)
{
    size_t elements = direct_conv_pack_elements(conv), row = row_elements(step);
    bool is_int8 = conv->arithmetic == STEP_INT8;
    float scale = direct_conv_pack_scale(conv, weights, o);
    double mean_bias = 0;
    for (size_t ky = 0; ky < step->kernel_px; ky++)
        for (size_t i = 0; i < row; i += RGB) {
            int8_t levels[RGB];
            for (size_t c = 0; c < RGB; c++)
                levels[c] = direct_conv_pack_put(
                    conv, layout, panel, at, ky * layout->tap_steps + (i + c) / elements,
                    (i + c) % elements, weights->weight[(o * step->kernel_px + ky) * row + i + c],
                    is_int8 ? requantize_pixel_scale(step, c) : 1.0f, scale);
            mean_bias += is_int8 ? requantize_mean_bias(step, levels, 1, scale) : 0;
        }
    return mean_bias;
}

void direct_conv_input_pack(const struct direct_conv *conv, const struct step *step,
                            const struct step_weights *weights, void *ret_packed)
{
    struct direct_conv_layout layout = layout_of(conv, step);
    memset(ret_packed, 0, direct_conv_pack_bytes(&layout));
    float *multiplier = direct_conv_pack_multiplier(&layout, ret_packed);
    float *offset = direct_conv_pack_offset(&layout, ret_packed);
    for (size_t p = 0; p < layout.panels; p++) {
        size_t first, count;
        direct_conv_pack_channels(&layout, p, &first, &count);
        for (size_t i = 0; i < count; i++) {
            float scale = direct_conv_pack_scale(conv, weights, first + i);
            double bias = (double)weights->bias[first + i] +
                          pack_channel(conv, &layout, step, weights, first + i,
                                       direct_conv_pack_weights(&layout, ret_packed, p), i);
            multiplier[p * layout.panel_channels + i] = requantize_multiplier(step, scale);
            offset[p * layout.panel_channels + i] = requantize_offset(step, bias);
        }
    }
}

size_t direct_conv_input_units(const struct direct_conv *conv, const struct step *step,
                               size_t images)
{
    (void)conv;
    return images * step->output->height_px;
}

static size_t element_bytes(const struct direct_conv *conv)
{
    return DIRECT_CONV_STEP_BYTES / direct_conv_pack_elements(conv);
}

/* Pixels of a prepared row: the image's, and the padding on both sides. */
static size_t row_px(const struct step *step)
{
    return step->input->width_px + 2 * step->pad_px;
}

static size_t row_bytes(const struct direct_conv *conv, const struct step *step)
{
    size_t bytes = row_px(step) * RGB * element_bytes(conv) + ROW_SLACK_BYTES;
    return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static size_t padded_width(const struct direct_conv *conv, const struct step *step)
{
    size_t tile = conv->tile_px;
    return (step->output->width_px + tile - 1) / tile * tile;
}

/* Scratch: input pointers and output pointers [padded_width] each, a spare output pixel, a table of
 * normalised levels [256, 3], the rows. */
struct scratch {
    const uint8_t **input;
    uint8_t **output;
    uint8_t *spare;
    float *table;
    uint8_t *rows;
};

static struct scratch divide(const struct direct_conv *conv, const struct step *step, void *scratch)
{
    size_t width = padded_width(conv, step);
    struct scratch parts = {.input = scratch};
    parts.output = (uint8_t **)(void *)(parts.input + width);
    parts.spare = (uint8_t *)(parts.output + width);
    size_t spare = (step->output->channels + DIRECT_CONV_MAX_PANEL) * sizeof(float);
    parts.table = (float *)(void *)(parts.spare + spare);
    parts.rows = (uint8_t *)(parts.table + (REQUANTIZE_LEVEL_MAX + 1) * RGB);
    return parts;
}

size_t direct_conv_input_scratch_bytes(const struct direct_conv *conv, const struct step *step)
{
    return padded_width(conv, step) * (sizeof(uint8_t *) + sizeof(uint8_t *)) +
           (step->output->channels + DIRECT_CONV_MAX_PANEL) * sizeof(float) +
           (REQUANTIZE_LEVEL_MAX + 1) * RGB * sizeof(float) +
           step->kernel_px * row_bytes(conv, step);
}

static void fill_table(const struct step *step, float *table)
{
    for (size_t level = 0; level <= REQUANTIZE_LEVEL_MAX; level++)
        for (size_t c = 0; c < RGB; c++)
            table[level * RGB + c] = ((float)level / 255.0f - step->mean[c]) / step->std[c];
}

/* The table is read in whole pixels, so that the channel is no division. */
static void normalise(const struct direct_conv *conv, const struct step *step,
                      const struct step_slot *slot, size_t first, const float *table, uint8_t *to)
{
    float *values = (float *)(void *)to;
    uint16_t *halves = (uint16_t *)(void *)to;
    bool is_bf16 = conv->arithmetic == STEP_BF16;
    for (size_t i = 0; i < (size_t)step->input->width_px * RGB; i += RGB)
        for (size_t c = 0; c < RGB; c++) {
            float value = slot->type == TENSOR_F32
                              ? ((const float *)slot->data)[first + i + c]
                              : table[((const uint8_t *)slot->data)[first + i + c] * RGB + c];
            if (is_bf16 && !conv->is_widened)
                halves[i + c] = bfloat16_of_f32(value);
            else
                values[i + c] = is_bf16 ? bfloat16_to_f32(bfloat16_of_f32(value)) : value;
        }
}

/* Writes a level as element `index`. */
static void put_level(const struct direct_conv *conv, uint8_t *to, size_t index, uint8_t level)
{
    if (conv->is_widened)
        ((uint16_t *)(void *)to)[index] = level;
    else
        to[index] = level;
}

static void copy_levels(const struct direct_conv *conv, const struct step *step,
                        const struct step_slot *slot, size_t first, uint8_t *to)
{
    size_t count = (size_t)step->input->width_px * RGB;
    const float *floats = slot->data;
    const uint8_t *levels = slot->data;
    if (slot->type == TENSOR_F32) {
        for (size_t i = 0; i < count; i++)
            put_level(conv, to, i, requantize_pixel(step, floats[first + i], i % RGB));
    } else if (conv->is_widened) {
        for (size_t i = 0; i < count; i++)
            put_level(conv, to, i, levels[first + i]);
    } else {
        memcpy(to, levels + first, count);
    }
}

/* `count` elements of what stands outside the image: zero once normalised. */
static void pad(const struct direct_conv *conv, const struct step *step, uint8_t *to, size_t count)
{
    if (conv->arithmetic != STEP_INT8) {
        memset(to, 0, count * element_bytes(conv));
        return;
    }
    const uint8_t levels[RGB] = {requantize_pixel_padding(step, 0),
                                 requantize_pixel_padding(step, 1),
                                 requantize_pixel_padding(step, 2)};
    for (size_t i = 0; i < count; i++)
        put_level(conv, to, i, levels[i % RGB]);
}

/* Input row `y` of the image, which may lie outside, with its padding. */
static void prepare_row(const struct direct_conv *conv, const struct step *step,
                        const struct step_slot *slot, int64_t y, const float *table, uint8_t *row)
{
    size_t element = element_bytes(conv);
    size_t side = (size_t)step->pad_px * RGB, width = (size_t)step->input->width_px * RGB;
    uint8_t *to = row + side * element, *end = to + width * element;
    bool is_inside = y >= 0 && y < step->input->height_px;
    if (!is_inside) {
        pad(conv, step, to, width);
    } else if (conv->arithmetic == STEP_INT8) {
        copy_levels(conv, step, slot, (size_t)y * width, to);
    } else {
        normalise(conv, step, slot, (size_t)y * width, table, to);
    }
    pad(conv, step, row, side);
    pad(conv, step, end, side);
    memset(end + side * element, 0, ROW_SLACK_BYTES);
}

/* The input rows of an output row; a prepared row belongs to input row r at r % kernel_px. */
static void prepare_rows(const struct direct_conv *conv, const struct step *step,
                         const struct step_slot *slot, uint32_t y, bool is_next,
                         const struct scratch *scratch)
{
    uint32_t fresh =
        is_next && step->stride_px < step->kernel_px ? step->stride_px : step->kernel_px;
    for (uint32_t ky = step->kernel_px - fresh; ky < step->kernel_px; ky++) {
        uint32_t row = y * step->stride_px + ky; /* counted from the padding's first */
        prepare_row(conv, step, slot, (int64_t)row - step->pad_px, scratch->table,
                    scratch->rows + row % step->kernel_px * row_bytes(conv, step));
    }
}

static void fill_pointers(const struct direct_conv *conv, const struct step_run *run, size_t image,
                          uint32_t y, const struct scratch *scratch)
{
    const struct step *step = run->step;
    size_t width = step->output->width_px;
    size_t pixel = step->stride_px * RGB * element_bytes(conv);
    for (size_t x = 0; x < padded_width(conv, step); x++) {
        scratch->input[x] = scratch->rows + (x < width ? x : width - 1) * pixel;
        scratch->output[x] =
            x < width ? tensor_pixel(step->output, run->buffers, run->first_image + image, y, x)
                      : scratch->spare;
    }
}

void direct_conv_input_run(const struct direct_conv *conv, const struct step_run *run, size_t first,
                           size_t last, void *scratch)
{
    const struct step *step = run->step;
    assert(direct_conv_input_supports(conv, step));
    struct direct_conv_layout layout = layout_of(conv, step);
    struct scratch parts = divide(conv, step, scratch);
    struct direct_conv_segment segments[DIRECT_CONV_MAX_SEGMENTS];
    struct direct_conv_panel panel = {.pixels = {parts.input, NULL},
                                      .output = parts.output,
                                      .tiles = padded_width(conv, step) / conv->tile_px,
                                      .segments = segments,
                                      .segment_count = step->kernel_px,
                                      .output_type = step->output->type,
                                      .residual_type = step->output->type,
                                      .has_relu = step->has_relu};
    fill_table(step, parts.table);
    for (size_t unit = first; unit < last; unit++) {
        size_t image = unit / step->output->height_px;
        uint32_t y = (uint32_t)(unit % step->output->height_px);
        prepare_rows(conv, step, &run->slots[image], y, unit > first && y > 0, &parts);
        fill_pointers(conv, run, image, y, &parts);
        for (uint32_t ky = 0; ky < step->kernel_px; ky++)
            segments[ky] = (struct direct_conv_segment){
                .first_step = ky * (uint32_t)layout.tap_steps,
                .steps = (uint32_t)layout.tap_steps,
                .offset_bytes =
                    (y * step->stride_px + ky) % step->kernel_px * row_bytes(conv, step)};
        for (size_t p = 0; p < layout.panels; p++) {
            direct_conv_pack_open(conv, &layout, step, p, &panel);
            panel.source_offset_bytes = 0;
            layout.run(&panel);
        }
    }
}
