#include "model/kernels/direct_conv.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/direct_conv_copy.h"
#include "model/kernels/direct_conv_pack.h"
#include "model/kernels/pixel_order.h"
#include "model/kernels/requantize.h"

enum {
    STRIP_BYTES = 256 << 10, /* of input that a strip's pixels read: half of a small L2 */
    LEAST_STRIP = 48,        /* pixels; a panel's weights are read once a strip */
    LEAST_UNITS = 16,        /* a pass, where strips and panels allow */
    LINE_BYTES = 64,
};

static size_t taps_of(const struct step *step)
{
    return (size_t)step->kernel_px * step->kernel_px;
}

static struct direct_conv_layout layout_of(const struct direct_conv *conv, const struct step *step)
{
    struct direct_conv_layout layout = direct_conv_pack_layout(conv, step, taps_of(step), 0);
    return direct_conv_pack_layout(conv, step, taps_of(step), layout.group_in);
}

static size_t padded_channels(const struct direct_conv *conv, const struct tensor *tensor)
{
    size_t elements = direct_conv_pack_elements(conv);
    return (tensor->channels + elements - 1) / elements * elements;
}

/* Whether K steps may be read of it as it lies: whole steps of a pixel, of which only u8 may go
 * into what lies behind the channels (weights of zero make nothing of it; of a NaN they would make
 * one). */
static bool is_readable(const struct direct_conv *conv, const struct tensor *tensor)
{
    size_t padded = padded_channels(conv, tensor);
    return tensor->type == step_tensor_type(conv->arithmetic) &&
           (padded == tensor->channels || tensor->type == TENSOR_U8) &&
           padded <= tensor->pixel_stride;
}

static bool are_inputs_readable(const struct direct_conv *conv, const struct step *step)
{
    if (direct_conv_copy_is_needed(conv, step))
        return direct_conv_copy_supports(conv, step);
    return is_readable(conv, step->input) &&
           (!step->projection || is_readable(conv, step->projection));
}

/* The pairs of output and residual types that inner functions know. */
static bool is_storable(const struct direct_conv *conv, const struct step *step)
{
    enum tensor_type output = step->output->type;
    enum tensor_type residual = step->residual ? step->residual->type : output;
    if (conv->arithmetic == STEP_FLOAT32)
        return output == TENSOR_F32 && residual == TENSOR_F32;
    if (conv->arithmetic == STEP_INT8)
        return output != TENSOR_BF16 && (!step->residual || residual == TENSOR_U8);
    return residual == output || (output == TENSOR_F32 && step->residual && residual != TENSOR_F32);
}

bool direct_conv_supports(const struct direct_conv *conv, const struct step *step)
{
    if ((step->op != STEP_CONV && step->op != STEP_LINEAR) ||
        step->arithmetic != conv->arithmetic || !are_inputs_readable(conv, step) ||
        step->input->halo_px < step->pad_px || step->pad_px >= step->kernel_px ||
        !is_storable(conv, step) || (step->projection && step->groups > 1))
        return false;
    struct direct_conv_layout layout = layout_of(conv, step);
    /* A bfloat16 step of two channels must not reach into the next group, nor s8's of four. */
    bool is_whole = step->groups == 1 || layout.group_in % direct_conv_pack_elements(conv) == 0;
    return is_whole && taps_of(step) + 1 <= DIRECT_CONV_MAX_SEGMENTS;
}

size_t direct_conv_packed_bytes(const struct direct_conv *conv, const struct step *step)
{
    struct direct_conv_layout layout = layout_of(conv, step);
    return direct_conv_pack_bytes(&layout);
}

/* The weights of one output channel, into channel `at` of its panel. */
static void pack_channel(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                         const struct step *step, const struct step_weights *weights, size_t o,
                         uint8_t *panel, size_t at)
{
    size_t taps = taps_of(step);
    size_t in = step->input->channels / step->groups;
    size_t group = o / (step->output->channels / step->groups);
    size_t place = group % layout->merged * in; /* of the own group in the merged one */
    float scale = direct_conv_pack_scale(conv, weights, o);
    for (size_t t = 0; t < taps; t++)
        direct_conv_pack_put_run(conv, layout, panel, at, t * layout->tap_steps, place,
                                 weights->weight + (o * taps + t) * in, in, step->input->scale,
                                 scale);
    size_t extra = step->projection ? step->projection->channels : 0;
    if (extra > 0)
        direct_conv_pack_put_run(conv, layout, panel, at, taps * layout->tap_steps, 0,
                                 weights->projection + o * extra, extra, step->projection->scale,
                                 scale);
}

void direct_conv_pack(const struct direct_conv *conv, const struct step *step,
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
            multiplier[p * layout.panel_channels + i] = requantize_multiplier(step, scale);
            offset[p * layout.panel_channels + i] =
                requantize_offset(step, (double)weights->bias[first + i]);
            pack_channel(conv, &layout, step, weights, first + i,
                         direct_conv_pack_weights(&layout, ret_packed, p), i);
        }
    }
}

/* How a pass is cut: strips of as equal length as whole tiles allow, and the panels of a strip into
 * groups where there are few strips. */
struct cut {
    size_t pixels, strip_px, strips;
    size_t group_panels, groups;
};

static size_t clamp(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

static struct cut cut_of(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                         const struct step *step, size_t images)
{
    struct cut cut = {.pixels = images * step->output->height_px * step->output->width_px};
    size_t tile = conv->tile_px;
    /* Neighbours share most taps of a larger kernel. */
    size_t pixel_bytes = layout->panel_steps * DIRECT_CONV_STEP_BYTES / step->kernel_px + 1;
    size_t longest = clamp(STRIP_BYTES / pixel_bytes, LEAST_STRIP, DIRECT_CONV_MAX_STRIP);
    cut.strips = (cut.pixels + longest - 1) / longest;
    size_t tiles = (cut.pixels + tile - 1) / tile;
    cut.strip_px = (tiles + cut.strips - 1) / cut.strips * tile;
    if (cut.strip_px > DIRECT_CONV_MAX_STRIP)
        cut.strip_px = DIRECT_CONV_MAX_STRIP / tile * tile;
    cut.strips = (cut.pixels + cut.strip_px - 1) / cut.strip_px;
    cut.groups = clamp((LEAST_UNITS + cut.strips - 1) / cut.strips, 1, layout->panels);
    cut.group_panels = (layout->panels + cut.groups - 1) / cut.groups;
    cut.groups = (layout->panels + cut.group_panels - 1) / cut.group_panels;
    return cut;
}

size_t direct_conv_units(const struct direct_conv *conv, const struct step *step, size_t images)
{
    struct direct_conv_layout layout = layout_of(conv, step);
    struct cut cut = cut_of(conv, &layout, step, images);
    return cut.strips * cut.groups;
}

/* A thread's own: the pointers of a strip and the taps of its tiles, then a pixel to be read and
 * written for those behind its end, then copies of what the strip reads. */
struct strip {
    const uint8_t *input[DIRECT_CONV_MAX_STRIP + DIRECT_CONV_MAX_TILE];
    const uint8_t *projection[DIRECT_CONV_MAX_STRIP + DIRECT_CONV_MAX_TILE];
    const uint8_t *residual[DIRECT_CONV_MAX_STRIP + DIRECT_CONV_MAX_TILE];
    uint8_t *output[DIRECT_CONV_MAX_STRIP + DIRECT_CONV_MAX_TILE];
    struct pixel_taps taps[DIRECT_CONV_MAX_STRIP]; /* [tiles] */
    uint8_t spare[];
};

static size_t spare_bytes(const struct step *step)
{
    return (step->output->channels + DIRECT_CONV_MAX_PANEL) * sizeof(float);
}

/* Where copies begin: a cache line, as the scratch does. */
static size_t copies_at(const struct step *step)
{
    size_t before = sizeof(struct strip) + spare_bytes(step);
    return (before + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

size_t direct_conv_scratch_bytes(const struct direct_conv *conv, const struct step *step)
{
    if (!direct_conv_copy_is_needed(conv, step))
        return sizeof(struct strip) + spare_bytes(step);
    struct direct_conv_copy copy = direct_conv_copy_layout(conv, step, DIRECT_CONV_MAX_STRIP);
    return copies_at(step) + direct_conv_copy_bytes(&copy, step, DIRECT_CONV_MAX_STRIP);
}

/* Pointers of a run of pixels, to index `at` on. */
static void fill_run(const struct step_run *run, const struct pixel_run *pixels,
                     struct strip *strip, size_t at)
{
    size_t image = run->first_image + pixels->image, count = pixels->count;
    uint32_t y = (uint32_t)pixels->y, x = (uint32_t)pixels->x;
    const struct step *step = run->step;
    const struct tensor *input = step->input, *output = step->output;
    size_t in_bytes = tensor_element_bytes(input->type);
    size_t in_step = step->stride_px * input->pixel_stride * in_bytes;
    /* The first tap may lie in the halo, before the row's first pixel. */
    size_t back = step->pad_px * (input->row_stride + input->pixel_stride) * in_bytes;
    const uint8_t *in = tensor_pixel(input, run->buffers, image, (size_t)y * step->stride_px,
                                     (size_t)x * step->stride_px) -
                        back;
    size_t out_step = output->pixel_stride * tensor_element_bytes(output->type);
    uint8_t *out = tensor_pixel(output, run->buffers, image, y, x);
    for (size_t i = 0; i < count; i++) {
        strip->input[at + i] = in + i * in_step;
        strip->output[at + i] = out + i * out_step;
    }
    if (step->residual) {
        size_t bytes = step->residual->pixel_stride * tensor_element_bytes(step->residual->type);
        const uint8_t *residual = tensor_pixel(step->residual, run->buffers, image, y, x);
        for (size_t i = 0; i < count; i++)
            strip->residual[at + i] = residual + i * bytes;
    }
    if (step->projection) {
        size_t stride = step->projection_stride_px;
        size_t bytes =
            stride * step->projection->pixel_stride * tensor_element_bytes(step->projection->type);
        const uint8_t *from =
            tensor_pixel(step->projection, run->buffers, image, y * stride, x * stride);
        for (size_t i = 0; i < count; i++)
            strip->projection[at + i] = from + i * bytes;
    }
}

/* Adds a run's taps to those of the tiles that its pixels, from `at` on, are in. */
static void add_taps(const struct direct_conv *conv, const struct pixel_run *pixels, size_t at,
                     struct pixel_taps *taps)
{
    const struct pixel_taps *more = &pixels->taps;
    size_t first = at / conv->tile_px, last = (at + pixels->count - 1) / conv->tile_px;
    for (size_t tile = first; tile <= last; tile++) {
        struct pixel_taps *all = &taps[tile];
        if (tile * conv->tile_px >= at) {
            *all = *more;
            continue;
        }
        all->first_y = more->first_y < all->first_y ? more->first_y : all->first_y;
        all->last_y = more->last_y > all->last_y ? more->last_y : all->last_y;
        all->first_x = more->first_x < all->first_x ? more->first_x : all->first_x;
        all->last_x = more->last_x > all->last_x ? more->last_x : all->last_x;
    }
}

/* Fills the pointers of pixels [first, first + count) of the pass, and those behind to a whole
 * tile.
 */
static void fill_strip(const struct direct_conv *conv, const struct step_run *run,
                       const struct pixel_order *order, size_t first, size_t count,
                       struct strip *strip)
{
    size_t at = 0, used = 0;
    bool is_copied = direct_conv_copy_is_needed(conv, run->step);
    struct direct_conv_copy copy = direct_conv_copy_layout(conv, run->step, DIRECT_CONV_MAX_STRIP);
    while (at < count) {
        struct pixel_run pixels = pixel_order_run(order, first + at);
        pixels.count = pixels.count < count - at ? pixels.count : count - at;
        fill_run(run, &pixels, strip, at);
        add_taps(conv, &pixels, at, strip->taps);
        if (is_copied)
            used = direct_conv_copy_run(conv, &copy, run->step,
                                        (uint8_t *)strip + copies_at(run->step), at, used,
                                        pixels.count, strip->input, strip->projection);
        at += pixels.count;
    }
    for (; at % conv->tile_px != 0; at++) {
        strip->input[at] = strip->input[count - 1];
        strip->projection[at] = strip->projection[count - 1];
        strip->residual[at] = strip->output[at] = strip->spare;
    }
}

static size_t fill_segments(const struct direct_conv *conv, const struct step *step,
                            const struct direct_conv_layout *layout, const struct pixel_taps *taps,
                            struct direct_conv_segment *ret_segments)
{
    const struct tensor *input = step->input;
    size_t count = 0, bytes = tensor_element_bytes(input->type);
    size_t row = input->row_stride * bytes, pixel = input->pixel_stride * bytes;
    if (direct_conv_copy_is_needed(conv, step)) {
        struct direct_conv_copy copy = direct_conv_copy_layout(conv, step, DIRECT_CONV_MAX_STRIP);
        row = copy.plane_bytes;
        pixel = copy.pixel_bytes;
    }
    for (size_t ky = taps->first_y; ky < taps->last_y; ky++)
        for (size_t kx = taps->first_x; kx < taps->last_x; kx++)
            ret_segments[count++] = (struct direct_conv_segment){
                .first_step = (uint32_t)((ky * step->kernel_px + kx) * layout->tap_steps),
                .steps = (uint32_t)layout->tap_steps,
                .offset_bytes = ky * row + kx * pixel};
    if (step->projection)
        ret_segments[count++] = (struct direct_conv_segment){
            .source = 1,
            .first_step = (uint32_t)(taps_of(step) * layout->tap_steps),
            .steps = (uint32_t)layout->projection_steps};
    return count;
}

/* A panel of a strip's tiles, as many of them at once as read the same taps. */
static void run_tiles(const struct direct_conv *conv, const struct step *step,
                      const struct direct_conv_layout *layout, const struct strip *strip,
                      size_t tiles, struct direct_conv_panel panel)
{
    struct direct_conv_segment segments[DIRECT_CONV_MAX_SEGMENTS];
    panel.segments = segments;
    for (size_t first = 0, last; first < tiles; first = last) {
        const struct pixel_taps *taps = &strip->taps[first];
        last = first + 1;
        while (last < tiles && memcmp(&strip->taps[last], taps, sizeof *taps) == 0)
            last++;
        size_t at = first * conv->tile_px;
        panel.segment_count = fill_segments(conv, step, layout, taps, segments);
        panel.pixels[0] = strip->input + at;
        panel.pixels[1] = strip->projection + at;
        panel.output = strip->output + at;
        panel.residual = step->residual ? strip->residual + at : NULL;
        panel.tiles = last - first;
        layout->run(&panel);
    }
}

/* Copies are shared between neighbours of a row, which the order by taps would part. */
static struct pixel_order order_of(const struct direct_conv *conv, const struct step *step,
                                   size_t images)
{
    return direct_conv_copy_is_needed(conv, step) ? pixel_order_by_rows(step, images)
                                                  : pixel_order_by_taps(step, images);
}

/* Of a pixel, for the first panel that reads it. Neighbours share the pixels of larger kernels, and
 * float32 takes so long that the CPU finds its pixels ahead by itself (measured). */
static size_t fetch_bytes(const struct step *step)
{
    if (step->kernel_px > 1 || step->arithmetic == STEP_FLOAT32)
        return 0;
    return step->input->channels * tensor_element_bytes(step->input->type);
}

void direct_conv_run(const struct direct_conv *conv, const struct step_run *run, size_t first,
                     size_t last, void *scratch)
{
    const struct step *step = run->step;
    assert(direct_conv_supports(conv, step));
    struct direct_conv_layout layout = layout_of(conv, step);
    struct cut cut = cut_of(conv, &layout, step, run->images);
    assert(last <= cut.strips * cut.groups);
    struct pixel_order order = order_of(conv, step, run->images);
    struct strip *strip = scratch;
    struct direct_conv_panel panel = {
        .residual_multiplier = requantize_residual_multiplier(step),
        .output_type = step->output->type,
        .residual_type = step->residual ? step->residual->type : step->output->type,
        .has_relu = step->has_relu,
    };
    for (size_t unit = first; unit < last; unit++) {
        size_t begin = unit % cut.strips * cut.strip_px, group = unit / cut.strips;
        size_t count = cut.pixels - begin < cut.strip_px ? cut.pixels - begin : cut.strip_px;
        fill_strip(conv, run, &order, begin, count, strip);
        size_t tiles = (count + conv->tile_px - 1) / conv->tile_px;
        for (size_t p = group * cut.group_panels;
             p < (group + 1) * cut.group_panels && p < layout.panels; p++) {
            direct_conv_pack_open(conv, &layout, step, p, &panel);
            panel.fetch_bytes = p == group * cut.group_panels ? fetch_bytes(step) : 0;
            run_tiles(conv, step, &layout, strip, tiles, panel);
        }
    }
}
