#include "model/kernels/blas/gemm_cut.h"

enum {
    PANEL_BYTES =
        1 << 20, /* of gathered pixels: with its weights and outputs within reach of the L2 */
    MIN_STRIP_ROWS = 240, /* below, packing the weights once a strip shows */
    MAX_STRIP_ROWS = 960,
    SPLIT_BELOW_ROWS =
        960, /* images with fewer rows are cut by channels too, for batch 1 on several cores */
    MIN_BLOCK_CHANNELS = 128,
    SPLIT_BLOCKS = 4,
    SMALL_PRODUCT = 1200,
};

static size_t clamp(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Large images give strips enough for every core; small ones are cut by channels too. */
static size_t choose_block(size_t image_rows, size_t channels)
{
    if (image_rows >= SPLIT_BELOW_ROWS || channels <= MIN_BLOCK_CHANNELS)
        return channels;
    return clamp(round_up(channels / SPLIT_BLOCKS, MIN_BLOCK_CHANNELS / SPLIT_BLOCKS),
                 MIN_BLOCK_CHANNELS, channels);
}

struct gemm_cut gemm_cut_make(const struct step *step, size_t k, size_t block_channels)
{
    const struct tensor *output = step->output;
    size_t image_rows = tensor_image_rows(output);
    size_t rows = clamp(PANEL_BYTES / (k * sizeof(float)), MIN_STRIP_ROWS, MAX_STRIP_ROWS);
    size_t block = block_channels ? block_channels : choose_block(image_rows, output->channels);
    return (struct gemm_cut){.image_rows = image_rows,
                             .image_pixels = (size_t)output->height_px * output->width_px,
                             .strip_rows = rows / GEMM_CUT_ROWS * GEMM_CUT_ROWS,
                             .block_channels = block,
                             .blocks = (output->channels + block - 1) / block};
}

static size_t strips_of(const struct gemm_cut *cut, size_t images)
{
    return (images * cut->image_rows + cut->strip_rows - 1) / cut->strip_rows;
}

bool gemm_cut_is_steady(const struct gemm_cut *cut)
{
    size_t least_rows =
        cut->image_rows < cut->strip_rows / 2 ? cut->image_rows : cut->strip_rows / 2;
    return cut->image_rows % GEMM_CUT_ROWS == 0 && least_rows * cut->block_channels > SMALL_PRODUCT;
}

size_t gemm_cut_units(const struct gemm_cut *cut, size_t images)
{
    return strips_of(cut, images) * cut->blocks;
}

/* Strips of as equal length as whole groups of rows allow, so that none is much shorter than
 * strip_rows. */
struct gemm_cut_unit gemm_cut_unit(const struct gemm_cut *cut, size_t images, size_t unit)
{
    size_t strips = strips_of(cut, images), strip = unit / cut->blocks;
    size_t groups = images * cut->image_rows / GEMM_CUT_ROWS;
    size_t begin = groups * strip / strips, end = groups * (strip + 1) / strips;
    return (struct gemm_cut_unit){.strip = strip,
                                  .first_row = begin * GEMM_CUT_ROWS,
                                  .rows = (end - begin) * GEMM_CUT_ROWS,
                                  .block = unit % cut->blocks};
}

static void finish_row(float *out, const float *residual, const float *bias, size_t channels,
                       bool has_relu)
{
    if (residual)
        for (size_t o = 0; o < channels; o++)
            out[o] += residual[o];
    if (has_relu)
        for (size_t o = 0; o < channels; o++) {
            float value = out[o] + bias[o];
            out[o] = value < 0.0f ? 0.0f : value;
        }
    else
        for (size_t o = 0; o < channels; o++)
            out[o] += bias[o];
}

void gemm_cut_finish(const struct step_run *run, const struct gemm_cut *cut,
                     const struct gemm_cut_unit *unit, size_t first_channel, size_t channels,
                     const float *bias, const struct tensor *residual)
{
    const struct tensor *output = run->step->output;
    float *out = tensor_row_f32(output, run->buffers, run->first_image, 0) + first_channel;
    const float *in =
        residual ? tensor_row_f32(residual, run->buffers, run->first_image, 0) + first_channel
                 : NULL;
    for (size_t row = unit->first_row; row < unit->first_row + unit->rows; row++)
        if (row % cut->image_rows < cut->image_pixels)
            finish_row(out + row * output->pixel_stride,
                       in ? in + row * residual->pixel_stride : NULL, bias + first_channel,
                       channels, run->step->has_relu);
}
