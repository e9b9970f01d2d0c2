#include "model/kernels/blas/gemm_cut.h"

/* Measured for ResNet-50 on Zen 3 (512 KB of L2), see BENCHMARKS.md. */
enum {
    PANEL_BYTES =
        384 << 10, /* of gathered pixels: they stay in the L2 until the product has read them */
    LEAST_STRIP_ROWS = 96, /* below, packing the weights once a strip costs too much */
    MOST_STRIP_ROWS = 960,
    STRIPS_A_BATCH = 8,   /* so many at the least, where the rows allow: work for several cores */
    BLOCK_CHANNELS = 256, /* of images with so few rows that strips alone do not give work enough */
    BLOCKS_BELOW_ROWS = 4 * LEAST_STRIP_ROWS,
    MICRO_CHANNELS = 16, /* of OpenBLAS's own tiles, or a multiple */
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

/* Blocks of about BLOCK_CHANNELS and of equal width, so that none is left narrow. */
static size_t choose_block(size_t image_rows, size_t channels)
{
    size_t blocks = image_rows < BLOCKS_BELOW_ROWS ? channels / BLOCK_CHANNELS : 1;
    return blocks < 2 ? channels : round_up((channels + blocks - 1) / blocks, MICRO_CHANNELS);
}

struct gemm_cut gemm_cut_make(const struct step *step, size_t columns, size_t block_channels)
{
    const struct tensor *output = step->output;
    size_t image_rows = tensor_image_rows(output);
    size_t block = block_channels ? block_channels : choose_block(image_rows, output->channels);
    size_t rows = clamp(PANEL_BYTES / (columns * sizeof(float)), LEAST_STRIP_ROWS, MOST_STRIP_ROWS);
    return (struct gemm_cut){.image_rows = image_rows,
                             .image_pixels = (size_t)output->height_px * output->width_px,
                             .strip_rows = rows / GEMM_CUT_ROWS * GEMM_CUT_ROWS,
                             .block_channels = block,
                             .blocks = (output->channels + block - 1) / block,
                             .channels = output->channels};
}

static size_t strips_of(const struct gemm_cut *cut, size_t images)
{
    size_t rows = images * cut->image_rows;
    size_t needed = (rows + cut->strip_rows - 1) / cut->strip_rows;
    size_t wanted = clamp(rows / LEAST_STRIP_ROWS, 1, STRIPS_A_BATCH);
    return needed > wanted ? needed : wanted;
}

/* Equal division leaves no strip under half of the least length, but where one image has fewer
 * rows. */
bool gemm_cut_is_steady(const struct gemm_cut *cut)
{
    size_t shortest =
        cut->image_rows < LEAST_STRIP_ROWS / 2 ? cut->image_rows : LEAST_STRIP_ROWS / 2;
    size_t narrowest = cut->channels - (cut->blocks - 1) * cut->block_channels;
    return cut->image_rows % GEMM_CUT_ROWS == 0 && shortest * narrowest > SMALL_PRODUCT;
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

/* One pass; the compiler makes a loop of each combination. */
static void finish_row(float *out, const float *residual, const float *bias, size_t channels,
                       bool has_relu)
{
    for (size_t o = 0; o < channels; o++) {
        float sum = residual ? out[o] + residual[o] : out[o];
        float value = sum + bias[o];
        out[o] = has_relu && value < 0.0f ? 0.0f : value;
    }
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
