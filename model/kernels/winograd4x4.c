#include "model/kernels/winograd4x4.h"

#include <assert.h>
#include <string.h>

enum {
    KERNEL_PX = 3,
    WINDOW_PX = WINOGRAD4X4_WINDOW_PX,
    LANES = WINOGRAD4X4_LANES,
    BLOCK_CHANNELS = 64, /* M of one block and strip stays in the second-level cache */
    STRIP_TILES = 32,    /* at most: U is read once a strip */
    MIN_STRIP_TILES = 12,
    PATCH_FLOATS = WINOGRAD4X4_TILE_PX * WINOGRAD4X4_TILE_PX * BLOCK_CHANNELS,
    MANY_UNITS = 16, /* fewer leave cores idle, so that strips and units are made smaller */
};

static size_t divide_up(size_t value, size_t by)
{
    return (value + by - 1) / by;
}

static size_t pad_channels(size_t channels)
{
    return divide_up(channels, LANES) * LANES;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How the work is cut, and where its matrices lie in the scratch. */
struct cut {
    size_t tile_columns, image_tiles, tiles, strips;
    size_t blocks, unit_blocks, strip_units;
    size_t v_stride, v_point_stride, m_point_stride;
};

/* Strides that are powers of two would put a matrix's rows into few sets of the first cache. */
static size_t v_stride(const struct step *step)
{
    return pad_channels(step->input->channels) + LANES;
}

static size_t v_point_stride(const struct step *step)
{
    return STRIP_TILES * v_stride(step) + LANES;
}

static size_t m_point_stride(void)
{
    return STRIP_TILES * BLOCK_CHANNELS + LANES;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A unit is one block where there are few: each transforms its strip's input anew, which costs 8 %
 * of the products of 64 channels. */
static struct cut make_cut(const struct step *step, size_t images)
{
    struct cut cut = {.v_stride = v_stride(step),
                      .v_point_stride = v_point_stride(step),
                      .m_point_stride = m_point_stride()};
    cut.tile_columns = divide_up(step->output->width_px, WINOGRAD4X4_TILE_PX);
    cut.image_tiles = cut.tile_columns * divide_up(step->output->height_px, WINOGRAD4X4_TILE_PX);
    cut.tiles = images * cut.image_tiles;
    cut.blocks = divide_up(step->output->channels, BLOCK_CHANNELS);
    size_t wanted = smaller(divide_up(MANY_UNITS, cut.blocks), cut.tiles / MIN_STRIP_TILES);
    cut.strips = larger(divide_up(cut.tiles, STRIP_TILES), wanted);
    cut.unit_blocks = cut.strips * divide_up(cut.blocks, 2) < MANY_UNITS ? 1 : 2;
    cut.strip_units = divide_up(cut.blocks, cut.unit_blocks);
    return cut;
}

bool winograd4x4_supports(const struct step *step)
{
    return step->op == STEP_CONV && step->arithmetic == STEP_FLOAT32 &&
           step->kernel_px == KERNEL_PX && step->stride_px == 1 && step->pad_px == 1 &&
           step->groups == 1 && step->input->type == TENSOR_F32 &&
           step->output->type == TENSOR_F32 &&
           (!step->residual || step->residual->type == TENSOR_F32) &&
           (!step->projection || (step->projection->type == TENSOR_F32 && !step->residual));
}

static size_t projection_channels(const struct step *step)
{
    return step->projection ? step->projection->channels : 0;
}

size_t winograd4x4_packed_bytes(const struct step *step)
{
    return (1 + (size_t)WINOGRAD4X4_POINTS * step->input->channels + projection_channels(step)) *
           pad_channels(step->output->channels) * sizeof(float);
}

/* G g GT for the 3x3 weights of one pair of channels; consecutive weights lie `stride` apart. */
static void transform_weight(const float *weight, size_t stride, float *ret_u, size_t point_stride)
{
    static const double g[WINDOW_PX][KERNEL_PX] = {
        {1, 0, 0},
        {1.0 / 3, 1.0 / 3, 1.0 / 3},
        {-1.0 / 3, 1.0 / 3, -1.0 / 3},
        {-16.0 / 15, -8.0 / 15, -4.0 / 15},
        {1.0 / 15, -2.0 / 15, 4.0 / 15},
        {0, 0, 1},
    };
    double rows[WINDOW_PX][KERNEL_PX];
    for (size_t i = 0; i < WINDOW_PX; i++)
        for (size_t x = 0; x < KERNEL_PX; x++)
            rows[i][x] = g[i][0] * (double)weight[x * stride] +
                         g[i][1] * (double)weight[(KERNEL_PX + x) * stride] +
                         g[i][2] * (double)weight[(2 * KERNEL_PX + x) * stride];
    for (size_t i = 0; i < WINDOW_PX; i++)
        for (size_t j = 0; j < WINDOW_PX; j++)
            ret_u[(WINDOW_PX * i + j) * point_stride] =
                (float)(rows[i][0] * g[j][0] + rows[i][1] * g[j][1] + rows[i][2] * g[j][2]);
}

/* The panel of output channels [first, first + width); its points lie `point_stride` apart. */
static void pack_panel(const struct step *step, const float *weight, size_t first, size_t width,
                       size_t point_stride, float *ret_u)
{
    size_t in = step->input->channels, out = step->output->channels;
    for (size_t c = 0; c < in; c++)
        for (size_t o = first; o < first + width && o < out; o++)
            transform_weight(weight + o * KERNEL_PX * KERNEL_PX * in + c, in,
                             ret_u + c * width + o - first, point_stride);
}

/* Likewise, of the projection's weights [out, in]. */
static void pack_projection_panel(const struct step *step, const float *weight, size_t first,
                                  size_t width, float *ret_u)
{
    size_t in = projection_channels(step), out = step->output->channels;
    for (size_t c = 0; c < in; c++)
        for (size_t o = first; o < first + width && o < out; o++)
            ret_u[c * width + o - first] = weight[o * in + c];
}

void winograd4x4_pack(const struct step *step, const struct step_weights *weights,
                      size_t panel_channels, void *ret_packed)
{
    size_t out = step->output->channels, padded = pad_channels(out), in = step->input->channels;
    memset(ret_packed, 0, winograd4x4_packed_bytes(step));
    memcpy(ret_packed, weights->bias, out * sizeof(float));
    float *u = (float *)ret_packed + padded, *projection = u + WINOGRAD4X4_POINTS * in * padded;
    for (size_t block = 0; block < padded; block += BLOCK_CHANNELS) {
        size_t width = smaller(BLOCK_CHANNELS, padded - block);
        for (size_t at = 0; at < width; at += panel_channels) {
            size_t panel_width = smaller(panel_channels, width - at), first = block + at;
            pack_panel(step, weights->weight, first, panel_width, in * width,
                       u + WINOGRAD4X4_POINTS * in * block + at * in);
            pack_projection_panel(step, weights->projection, first, panel_width,
                                  projection + first * projection_channels(step));
        }
    }
}

size_t winograd4x4_scratch_bytes(const struct step *step)
{
    size_t floats = WINOGRAD4X4_POINTS * (v_point_stride(step) + m_point_stride());
    return (floats + (step->projection ? PATCH_FLOATS : 0)) * sizeof(float);
}

size_t winograd4x4_units(const struct step *step, size_t images)
{
    struct cut cut = make_cut(step, images);
    return cut.strips * cut.strip_units;
}

/* Tiles that one unit computes, of all images in their order. */
struct strip {
    size_t first_tile, tiles;
};

static struct strip make_strip(const struct cut *cut, size_t index)
{
    size_t first = cut->tiles * index / cut->strips;
    return (struct strip){first, cut->tiles * (index + 1) / cut->strips - first};
}

/* A block of a unit, with what it needs. */
struct work {
    const struct winograd4x4_parts *parts;
    const struct step_run *run;
    struct cut cut;
    struct strip strip;
    float *v, *m;
    float *shortcut; /* [4, 4, BLOCK_CHANNELS]: what the projection adds to one tile */
};

/* A tile's image and the place of its first output. */
struct place {
    size_t image;
    uint32_t y, x;
};

static struct place place_tile(const struct work *work, size_t tile)
{
    size_t in_image = tile % work->cut.image_tiles;
    return (struct place){
        .image = work->run->first_image + tile / work->cut.image_tiles,
        .y = (uint32_t)(in_image / work->cut.tile_columns) * WINOGRAD4X4_TILE_PX,
        .x = (uint32_t)(in_image % work->cut.tile_columns) * WINOGRAD4X4_TILE_PX,
    };
}

/* `at` where it lies in an image of `size` or its halo; otherwise 0. */
static int64_t clamp(int64_t at, uint32_t size, uint32_t halo, bool *ret_is_inside)
{
    *ret_is_inside = at >= -(int64_t)halo && at < (int64_t)size + halo;
    return *ret_is_inside ? at : 0;
}

static struct winograd4x4_window make_window(const struct work *work, struct place place)
{
    const struct tensor *input = work->run->step->input;
    const float *image = tensor_row_f32(input, work->run->buffers, place.image, 0);
    struct winograd4x4_window window = {.is_whole = true};
    for (int64_t i = 0; i < WINDOW_PX; i++) {
        int64_t y =
            clamp((int64_t)place.y + i - 1, input->height_px, input->halo_px, &window.has_row[i]);
        int64_t x =
            clamp((int64_t)place.x + i - 1, input->width_px, input->halo_px, &window.has_column[i]);
        window.rows[i] = image + y * (int64_t)input->row_stride;
        window.columns[i] = x * (int64_t)input->pixel_stride;
        window.is_whole = window.is_whole && window.has_row[i] && window.has_column[i];
    }
    return window;
}

static void transform_inputs(const struct work *work)
{
    for (size_t i = 0; i < work->strip.tiles; i++) {
        struct winograd4x4_window window =
            make_window(work, place_tile(work, work->strip.first_tile + i));
        work->parts->transform_input(&window, work->run->step->input->channels,
                                     work->v + i * work->cut.v_stride, work->cut.v_point_stride);
    }
}

static void multiply_points(const struct work *work, const float *u, size_t width)
{
    size_t in = work->run->step->input->channels;
    for (size_t point = 0; point < WINOGRAD4X4_POINTS; point++, u += in * width) {
        const struct winograd4x4_product product = {
            .tiles = work->strip.tiles,
            .in = in,
            .width = width,
            .v = work->v + point * work->cut.v_point_stride,
            .u = u,
            .next_u = point + 1 < WINOGRAD4X4_POINTS ? u + in * width : u,
            .m = work->m + point * work->cut.m_point_stride,
            .v_stride = work->cut.v_stride,
            .m_stride = BLOCK_CHANNELS,
        };
        work->parts->multiply(&product);
    }
}

/* A projection is a product of its own, a row of a tile at a time, and then like a residual. */
static void project(const struct work *work, const float *u, size_t width, struct place place,
                    struct winograd4x4_patch *patch)
{
    const struct tensor *projection = work->run->step->projection;
    size_t stride_px = work->run->step->projection_stride_px;
    struct winograd4x4_product product = {
        .tiles = patch->columns,
        .in = projection->channels,
        .width = width,
        .u = u,
        .next_u = u,
        .m = work->shortcut,
        .v_stride = stride_px * projection->pixel_stride,
        .m_stride = BLOCK_CHANNELS,
    };
    for (size_t y = 0; y < patch->rows; y++) {
        product.v =
            tensor_row_f32(projection, work->run->buffers, place.image, (place.y + y) * stride_px) +
            place.x * product.v_stride;
        work->parts->multiply(&product);
        product.m += WINOGRAD4X4_TILE_PX * BLOCK_CHANNELS;
    }
    patch->residual = work->shortcut;
    patch->residual_row_stride = WINOGRAD4X4_TILE_PX * BLOCK_CHANNELS;
    patch->residual_pixel_stride = BLOCK_CHANNELS;
}

static void transform_outputs(const struct work *work, const float *bias, const float *projection,
                              size_t first_channel, size_t channels)
{
    const struct step *step = work->run->step;
    const struct tensor *output = step->output, *residual = step->residual;
    struct winograd4x4_patch patch = {
        .bias = bias + first_channel,
        .row_stride = output->row_stride,
        .pixel_stride = output->pixel_stride,
        .residual_row_stride = residual ? residual->row_stride : 0,
        .residual_pixel_stride = residual ? residual->pixel_stride : 0,
        .channels = channels,
        .has_relu = step->has_relu,
    };
    for (size_t i = 0; i < work->strip.tiles; i++) {
        struct place place = place_tile(work, work->strip.first_tile + i);
        patch.out = tensor_row_f32(output, work->run->buffers, place.image, place.y) +
                    place.x * output->pixel_stride + first_channel;
        patch.residual = residual
                             ? tensor_row_f32(residual, work->run->buffers, place.image, place.y) +
                                   place.x * residual->pixel_stride + first_channel
                             : NULL;
        patch.rows = smaller(WINOGRAD4X4_TILE_PX, output->height_px - place.y);
        patch.columns = smaller(WINOGRAD4X4_TILE_PX, output->width_px - place.x);
        if (step->projection)
            project(work, projection, pad_channels(channels), place, &patch);
        work->parts->transform_output(&patch, work->m + i * BLOCK_CHANNELS,
                                      work->cut.m_point_stride);
    }
}

static void run_block(const struct work *work, size_t block)
{
    const struct step *step = work->run->step;
    size_t out = step->output->channels, first = block * BLOCK_CHANNELS;
    size_t channels = smaller(BLOCK_CHANNELS, out - first);
    size_t padded = pad_channels(out), in = step->input->channels;
    const float *bias = step->packed, *u = bias + padded;
    const float *projection = u + WINOGRAD4X4_POINTS * in * padded;
    multiply_points(work, u + WINOGRAD4X4_POINTS * in * first, pad_channels(channels));
    transform_outputs(work, bias, projection + first * projection_channels(step), first, channels);
}

/* Zeroes what lies behind each image whose last tile is in the strip. */
static void clear_paddings(const struct work *work)
{
    size_t image_tiles = work->cut.image_tiles, end = work->strip.first_tile + work->strip.tiles;
    for (size_t image = work->strip.first_tile / image_tiles; (image + 1) * image_tiles <= end;
         image++)
        tensor_clear_padding(work->run->step->output, work->run->buffers,
                             work->run->first_image + image);
}

void winograd4x4_run(const struct winograd4x4_parts *parts, const struct step_run *run,
                     size_t first, size_t last, void *scratch)
{
    assert(winograd4x4_supports(run->step) && last <= winograd4x4_units(run->step, run->images));
    struct work work = {.parts = parts, .run = run, .cut = make_cut(run->step, run->images)};
    work.v = scratch;
    work.m = work.v + WINOGRAD4X4_POINTS * work.cut.v_point_stride;
    work.shortcut = work.m + WINOGRAD4X4_POINTS * work.cut.m_point_stride;
    for (size_t unit = first; unit < last; unit++) {
        size_t strip = unit / work.cut.strip_units, in_strip = unit % work.cut.strip_units;
        size_t block = in_strip * work.cut.unit_blocks;
        size_t end = smaller(block + work.cut.unit_blocks, work.cut.blocks);
        work.strip = make_strip(&work.cut, strip);
        if (unit == first || in_strip == 0)
            transform_inputs(&work);
        for (; block < end; block++)
            run_block(&work, block);
        if (in_strip == 0)
            clear_paddings(&work);
    }
}
