#include "model/kernels/blas/conv_f32_gemm_blas.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/blas/gemm_cut.h"
#include "model/kernels/blas/openblas.h"

/* Groups of 4 or 8 channels are too narrow for a GEMM: as many are merged as make this many output
 * channels. The zeros cost multiplications, which are cheaper than narrow products: measured in
 * BENCHMARKS.md. */
enum { MERGED_CHANNELS = 32 };

/* One input of the sum: the convolution's own, or the projection's. */
struct source {
    const struct tensor *tensor;
    uint32_t kernel_px, stride_px, pad_px;
    size_t channels; /* that one product reads: all, or those of the merged groups */
};

/* How many groups one product takes. */
static size_t merged_groups(const struct step *step)
{
    size_t width = step->output->channels / step->groups, merged = 1;
    while (step->groups % (merged * 2) == 0 && width * merged * 2 <= MERGED_CHANNELS)
        merged *= 2;
    return merged;
}

static size_t product_channels(const struct step *step)
{
    return step->input->channels / step->groups * merged_groups(step);
}

static size_t taps(const struct step *step)
{
    return (size_t)step->kernel_px * step->kernel_px * product_channels(step);
}

static struct source own_source(const struct step *step)
{
    return (struct source){step->input, step->kernel_px, step->stride_px, step->pad_px,
                           product_channels(step)};
}

static struct source projection_source(const struct step *step)
{
    return (struct source){step->projection, 1, step->projection_stride_px, 0,
                           step->projection->channels};
}

/* The pixels are the rows of the matrix as they lie. */
static bool is_direct(const struct source *source)
{
    return source->kernel_px == 1 && source->stride_px == 1;
}

static size_t columns(const struct source *source)
{
    return (size_t)source->kernel_px * source->kernel_px * source->channels;
}

static struct gemm_cut cut_of(const struct step *step)
{
    size_t group_channels = step->output->channels / step->groups;
    return gemm_cut_make(step, taps(step),
                         step->groups > 1 ? group_channels * merged_groups(step) : 0);
}

static bool is_padded(const struct tensor *tensor)
{
    return tensor_is_matrix(tensor) && tensor_image_rows(tensor) % GEMM_CUT_ROWS == 0;
}

static bool supports(const struct step *step)
{
    if (step->op != STEP_CONV || !is_padded(step->input) || !is_padded(step->output) ||
        (step->projection && (!is_padded(step->projection) || step->groups > 1)) ||
        (step->residual && !is_padded(step->residual)))
        return false;
    struct gemm_cut cut = cut_of(step);
    return gemm_cut_is_steady(&cut);
}

/* Packed: bias [out], projection [out, projection channels], weight [out, kernel, kernel, channels
 * of a product], zero where a merged group's channel is another group's. */
static size_t projection_channels(const struct step *step)
{
    return step->projection ? step->projection->channels : 0;
}

static size_t packed_bytes(const struct step *step)
{
    return (1 + projection_channels(step) + taps(step)) * step->output->channels * sizeof(float);
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels, group_in = step->input->channels / step->groups;
    size_t group_out = out / step->groups, area = (size_t)step->kernel_px * step->kernel_px;
    float *bias = ret_packed, *projection = bias + out,
          *weight = projection + out * projection_channels(step);
    memcpy(bias, weights->bias, out * sizeof *bias);
    if (step->projection)
        memcpy(projection, weights->projection,
               out * projection_channels(step) * sizeof *projection);
    memset(weight, 0, out * taps(step) * sizeof *weight);
    for (size_t o = 0; o < out; o++) {
        size_t place = o / group_out % merged_groups(step) * group_in;
        for (size_t t = 0; t < area; t++)
            memcpy(weight + o * taps(step) + t * product_channels(step) + place,
                   weights->weight + (o * area + t) * group_in, group_in * sizeof *weight);
    }
}

static size_t gathered_bytes(const struct source *source, size_t rows)
{
    return is_direct(source) ? 0 : rows * columns(source) * sizeof(float);
}

/* One strip's gathered pixels, then the projection's. */
static size_t scratch_bytes(const struct step *step)
{
    struct gemm_cut cut = cut_of(step);
    struct source own = own_source(step);
    size_t bytes = gathered_bytes(&own, cut.strip_rows);
    if (step->projection) {
        struct source projection = projection_source(step);
        bytes += gathered_bytes(&projection, cut.strip_rows);
    }
    return bytes;
}

static size_t units(const struct step *step, size_t images)
{
    struct gemm_cut cut = cut_of(step);
    return gemm_cut_units(&cut, images);
}

/* The taps of output pixel (y, x) from channel `first` on, in the order of the weights; zeros
 * outside. */
static void gather_pixel(const struct source *source, const float *image, uint32_t y, uint32_t x,
                         size_t first, float *row)
{
    const struct tensor *tensor = source->tensor;
    size_t channels = source->channels;
    for (uint32_t ky = 0; ky < source->kernel_px; ky++) {
        int64_t in_y = (int64_t)y * source->stride_px + ky - source->pad_px;
        int64_t in_x = (int64_t)x * source->stride_px - source->pad_px;
        bool is_row_inside = in_y >= 0 && in_y < tensor->height_px;
        for (uint32_t kx = 0; kx < source->kernel_px; kx++, in_x++, row += channels) {
            if (is_row_inside && in_x >= 0 && in_x < tensor->width_px)
                memcpy(row,
                       image + (size_t)in_y * tensor->row_stride +
                           (size_t)in_x * tensor->pixel_stride + first,
                       channels * sizeof *row);
            else
                memset(row, 0, channels * sizeof *row);
        }
    }
}

/* The rows of a unit as a dense matrix [rows, columns]; rows of padding are zero. */
static void gather(const struct step_run *run, const struct source *source,
                   const struct gemm_cut *cut, const struct gemm_cut_unit *unit,
                   size_t first_channel, float *panel)
{
    uint32_t width = run->step->output->width_px;
    for (size_t row = unit->first_row; row < unit->first_row + unit->rows;
         row++, panel += columns(source)) {
        size_t pixel = row % cut->image_rows;
        if (pixel < cut->image_pixels)
            gather_pixel(source,
                         tensor_row_f32(source->tensor, run->buffers,
                                        run->first_image + row / cut->image_rows, 0),
                         (uint32_t)(pixel / width), (uint32_t)(pixel % width), first_channel,
                         panel);
        else
            memset(panel, 0, columns(source) * sizeof *panel);
    }
}

/* Where a unit's matrix begins and its row stride. */
struct matrix {
    const float *data;
    size_t stride;
};

/* What of the scratch is filled with what, so that the blocks of one strip gather once. */
struct gathered {
    float *panel;
    size_t strip; /* SIZE_MAX: nothing yet */
    size_t first_channel;
};

static struct matrix rows_of(const struct step_run *run, const struct source *source,
                             const struct gemm_cut *cut, const struct gemm_cut_unit *unit,
                             size_t first_channel, struct gathered *gathered)
{
    if (is_direct(source))
        return (struct matrix){tensor_row_f32(source->tensor, run->buffers, run->first_image, 0) +
                                   unit->first_row * source->tensor->pixel_stride + first_channel,
                               source->tensor->pixel_stride};
    if (gathered->strip != unit->strip || gathered->first_channel != first_channel) {
        gather(run, source, cut, unit, first_channel, gathered->panel);
        gathered->strip = unit->strip;
        gathered->first_channel = first_channel;
    }
    return (struct matrix){gathered->panel, columns(source)};
}

static void run_unit(const struct step_run *run, const struct gemm_cut *cut,
                     const struct gemm_cut_unit *unit, struct gathered *own_rows,
                     struct gathered *projection_rows)
{
    const struct step *step = run->step;
    size_t out = step->output->channels, first = unit->block * cut->block_channels;
    size_t channels = out - first < cut->block_channels ? out - first : cut->block_channels;
    const float *bias = step->packed, *projection = bias + out;
    const float *weight = projection + out * projection_channels(step);
    float *to = tensor_row_f32(step->output, run->buffers, run->first_image, 0) +
                unit->first_row * step->output->pixel_stride + first;
    bool is_in_place = step->residual == step->output;

    struct source own = own_source(step);
    size_t first_input = step->groups > 1 ? unit->block * own.channels : 0;
    struct matrix rows = rows_of(run, &own, cut, unit, first_input, own_rows);
    openblas_sgemm(unit->rows, channels, taps(step), rows.data, rows.stride,
                   weight + first * taps(step), taps(step), is_in_place, to,
                   step->output->pixel_stride);
    if (step->projection) {
        struct source shortcut = projection_source(step);
        rows = rows_of(run, &shortcut, cut, unit, 0, projection_rows);
        openblas_sgemm(unit->rows, channels, shortcut.channels, rows.data, rows.stride,
                       projection + first * shortcut.channels, shortcut.channels, true, to,
                       step->output->pixel_stride);
    }
    gemm_cut_finish(run, cut, unit, first, channels, bias, is_in_place ? NULL : step->residual);
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    assert(supports(run->step) && last <= units(run->step, run->images));
    struct gemm_cut cut = cut_of(run->step);
    struct source own = own_source(run->step);
    size_t own_elements = gathered_bytes(&own, cut.strip_rows) / sizeof(float);
    struct gathered own_rows = {.panel = scratch, .strip = SIZE_MAX};
    struct gathered projection_rows = {.panel = (float *)scratch + own_elements, .strip = SIZE_MAX};
    for (size_t index = first; index < last; index++) {
        struct gemm_cut_unit unit = gemm_cut_unit(&cut, run->images, index);
        run_unit(run, &cut, &unit, &own_rows, &projection_rows);
    }
}

const struct kernel conv_f32_gemm_blas = {
    .name = "conv_f32_gemm_blas",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
