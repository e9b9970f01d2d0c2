#include "model/kernels/blas/conv_f32_gemm_blas.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/blas/gemm_cut.h"
#include "model/kernels/blas/openblas.h"

/* Groups of 4 or 8 channels are too narrow for a GEMM: as many are merged as make this many output
 * channels. The zeros cost multiplications, which are cheaper than narrow products: measured in
 * BENCHMARKS.md. */
enum {
    MERGED_CHANNELS = 32,
    CHUNK_COLUMNS =
        384, /* OpenBLAS takes about so many at a time anyway; their panel stays in the L2 */
};

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

/* A product over many taps is a sum of products over a few: as many as make CHUNK_COLUMNS columns.
 */
static size_t chunk_taps(const struct source *source)
{
    size_t area = (size_t)source->kernel_px * source->kernel_px,
           taps = CHUNK_COLUMNS / source->channels;
    return taps == 0 ? 1 : taps < area ? taps : area;
}

static size_t chunk_columns(const struct source *source)
{
    return chunk_taps(source) * source->channels;
}

static struct gemm_cut cut_of(const struct step *step)
{
    struct source own = own_source(step);
    size_t group_channels = step->output->channels / step->groups;
    return gemm_cut_make(step, chunk_columns(&own),
                         step->groups > 1 ? group_channels * merged_groups(step) : 0);
}

static bool is_padded(const struct tensor *tensor)
{
    return tensor_is_matrix(tensor) && tensor_image_rows(tensor) % GEMM_CUT_ROWS == 0;
}

static bool supports(const struct step *step)
{
    if (step->op != STEP_CONV || step->arithmetic != STEP_FLOAT32 || !is_padded(step->input) ||
        !is_padded(step->output) ||
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
    return is_direct(source) ? 0 : rows * chunk_columns(source) * sizeof(float);
}

/* One chunk of one strip's pixels, of the convolution's input or then of the projection's. */
static size_t scratch_bytes(const struct step *step)
{
    struct gemm_cut cut = cut_of(step);
    struct source own = own_source(step);
    size_t bytes = gathered_bytes(&own, cut.strip_rows), projection_bytes = 0;
    if (step->projection) {
        struct source projection = projection_source(step);
        projection_bytes = gathered_bytes(&projection, cut.strip_rows);
    }
    return bytes > projection_bytes ? bytes : projection_bytes;
}

static size_t units(const struct step *step, size_t images)
{
    struct gemm_cut cut = cut_of(step);
    return gemm_cut_units(&cut, images);
}

/* Which taps of a kernel: [first, first + count) in row order. */
struct chunk {
    size_t first, count;
};

/* The chunk's taps of output pixel (y, x), `source->channels` channels each; zeros outside the
 * image. */
static void gather_pixel(const struct source *source, const float *image, uint32_t y, uint32_t x,
                         struct chunk chunk, float *row)
{
    const struct tensor *tensor = source->tensor;
    size_t bytes = source->channels * sizeof *row;
    for (size_t tap = chunk.first; tap < chunk.first + chunk.count;
         tap++, row += source->channels) {
        int64_t in_y =
            (int64_t)y * source->stride_px + (int64_t)(tap / source->kernel_px) - source->pad_px;
        int64_t in_x =
            (int64_t)x * source->stride_px + (int64_t)(tap % source->kernel_px) - source->pad_px;
        if (in_y >= 0 && in_y < tensor->height_px && in_x >= 0 && in_x < tensor->width_px)
            memcpy(row,
                   image + (size_t)in_y * tensor->row_stride + (size_t)in_x * tensor->pixel_stride,
                   bytes);
        else
            memset(row, 0, bytes);
    }
}

/* A unit and what its products need. */
struct work {
    const struct step_run *run;
    const struct gemm_cut *cut;
    struct gemm_cut_unit unit;
    size_t channels; /* of the unit's block */
    float *to;       /* where its output begins */
    float *panel;
};

/* The chunk's columns of the unit's rows as a dense matrix; rows of padding are zero. */
static void gather(const struct work *work, const struct source *source, size_t first_channel,
                   struct chunk chunk)
{
    uint32_t width = work->run->step->output->width_px;
    size_t columns = chunk.count * source->channels;
    float *to = work->panel;
    for (size_t row = work->unit.first_row; row < work->unit.first_row + work->unit.rows;
         row++, to += columns) {
        size_t image = row / work->cut->image_rows, pixel = row % work->cut->image_rows;
        const float *from =
            tensor_row_f32(source->tensor, work->run->buffers, work->run->first_image + image, 0);
        if (pixel < work->cut->image_pixels)
            gather_pixel(source, from + first_channel, (uint32_t)(pixel / width),
                         (uint32_t)(pixel % width), chunk, to);
        else
            memset(to, 0, columns * sizeof *to);
    }
}

/* Adds (or, where not `accumulate`, writes) the product of `source` and its weights, whose rows are
 * `weight_stride` long, to the unit's output. */
static void multiply(const struct work *work, const struct source *source, size_t first_channel,
                     const float *weight, size_t weight_stride, bool accumulate)
{
    size_t rows = work->unit.rows, out_stride = work->run->step->output->pixel_stride;
    if (is_direct(source)) {
        const float *from =
            tensor_row_f32(source->tensor, work->run->buffers, work->run->first_image, 0) +
            work->unit.first_row * source->tensor->pixel_stride + first_channel;
        openblas_sgemm(rows, work->channels, source->channels, from, source->tensor->pixel_stride,
                       weight, weight_stride, accumulate, work->to, out_stride);
        return;
    }
    size_t area = (size_t)source->kernel_px * source->kernel_px;
    for (struct chunk chunk = {0, chunk_taps(source)}; chunk.first < area;
         chunk.first += chunk.count) {
        if (chunk.count > area - chunk.first)
            chunk.count = area - chunk.first;
        size_t columns = chunk.count * source->channels;
        gather(work, source, first_channel, chunk);
        openblas_sgemm(rows, work->channels, columns, work->panel, columns,
                       weight + chunk.first * source->channels, weight_stride,
                       accumulate || chunk.first > 0, work->to, out_stride);
    }
}

static void run_unit(const struct step_run *run, const struct gemm_cut *cut, size_t index,
                     float *panel)
{
    const struct step *step = run->step;
    struct gemm_cut_unit unit = gemm_cut_unit(cut, run->images, index);
    size_t out = step->output->channels, first = unit.block * cut->block_channels;
    const struct work work = {
        .run = run,
        .cut = cut,
        .unit = unit,
        .channels = out - first < cut->block_channels ? out - first : cut->block_channels,
        .to = tensor_row_f32(step->output, run->buffers, run->first_image, 0) +
              unit.first_row * step->output->pixel_stride + first,
        .panel = panel,
    };
    const float *bias = step->packed, *projection = bias + out;
    const float *weight = projection + out * projection_channels(step);
    bool is_in_place = step->residual && step->residual->buffer == step->output->buffer;
    struct source own = own_source(step);
    multiply(&work, &own, step->groups > 1 ? unit.block * own.channels : 0,
             weight + first * taps(step), taps(step), is_in_place);
    if (step->projection) {
        struct source shortcut = projection_source(step);
        multiply(&work, &shortcut, 0, projection + first * shortcut.channels, shortcut.channels,
                 true);
    }
    gemm_cut_finish(run, cut, &unit, first, work.channels, bias,
                    is_in_place ? NULL : step->residual);
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    assert(supports(run->step) && last <= units(run->step, run->images));
    struct gemm_cut cut = cut_of(run->step);
    for (size_t index = first; index < last; index++)
        run_unit(run, &cut, index, scratch);
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
