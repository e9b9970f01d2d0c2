#include "model/kernels/blas/conv_input_f32_gemm_blas.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/blas/gemm_cut.h"
#include "model/kernels/blas/openblas.h"

enum { RGB = 3, LEVELS = 256 };

/* Packed: normalised value of each u8 level [256, 3], bias [out], weight [out, kernel, kernel, 3].
 */

static size_t taps(const struct step *step)
{
    return (size_t)step->kernel_px * step->kernel_px * RGB;
}

static struct gemm_cut cut_of(const struct step *step)
{
    return gemm_cut_make(step, taps(step), 0);
}

static bool supports(const struct step *step)
{
    if (step->op != STEP_CONV_INPUT || step->groups != 1 || step->residual || step->projection ||
        !tensor_is_matrix(step->output))
        return false;
    struct gemm_cut cut = cut_of(step);
    return gemm_cut_is_steady(&cut);
}

static size_t packed_bytes(const struct step *step)
{
    return (LEVELS * RGB + (1 + taps(step)) * step->output->channels) * sizeof(float);
}

/* torchvision's ToTensor and Normalize: each operation rounded to float32. */
static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels;
    float *levels = ret_packed, *bias = levels + LEVELS * RGB;
    for (size_t value = 0; value < LEVELS; value++)
        for (size_t c = 0; c < RGB; c++)
            levels[value * RGB + c] = ((float)value / 255.0f - step->mean[c]) / step->std[c];
    memcpy(bias, weights->bias, out * sizeof *bias);
    memcpy(bias + out, weights->weight, out * taps(step) * sizeof *bias);
}

static size_t scratch_bytes(const struct step *step)
{
    struct gemm_cut cut = cut_of(step);
    return cut.strip_rows * taps(step) * sizeof(float);
}

static size_t units(const struct step *step, size_t images)
{
    struct gemm_cut cut = cut_of(step);
    return gemm_cut_units(&cut, images);
}

/* `count` values of the slot from `index` on, which is a pixel's first. */
static void gather_values(const struct step_slot *slot, const float *levels, size_t index,
                          size_t count, float *row)
{
    if (slot->type == TENSOR_F32) {
        memcpy(row, (const float *)slot->data + index, count * sizeof *row);
        return;
    }
    const uint8_t *values = (const uint8_t *)slot->data + index;
    for (size_t i = 0; i < count; i += RGB)
        for (size_t c = 0; c < RGB; c++)
            row[i + c] = levels[values[i + c] * RGB + c];
}

static void gather_pixel(const struct step *step, const struct step_slot *slot, uint32_t y,
                         uint32_t x, float *row)
{
    const struct tensor *input = step->input;
    int64_t first_x = (int64_t)x * step->stride_px - step->pad_px;
    int64_t from = first_x < 0 ? 0 : first_x, to = first_x + step->kernel_px;
    if (to > input->width_px)
        to = input->width_px;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++, row += step->kernel_px * RGB) {
        int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
        memset(row, 0, step->kernel_px * RGB * sizeof *row);
        if (in_y >= 0 && in_y < input->height_px && from < to)
            gather_values(slot, step->packed, ((size_t)in_y * input->width_px + (size_t)from) * RGB,
                          (size_t)(to - from) * RGB, row + (from - first_x) * RGB);
    }
}

static void gather(const struct step_run *run, const struct gemm_cut *cut,
                   const struct gemm_cut_unit *unit, float *panel)
{
    const struct step *step = run->step;
    uint32_t width = step->output->width_px;
    for (size_t row = unit->first_row; row < unit->first_row + unit->rows;
         row++, panel += taps(step)) {
        size_t pixel = row % cut->image_rows;
        if (pixel < cut->image_pixels)
            gather_pixel(step, &run->slots[row / cut->image_rows], (uint32_t)(pixel / width),
                         (uint32_t)(pixel % width), panel);
        else
            memset(panel, 0, taps(step) * sizeof *panel);
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    const struct step *step = run->step;
    assert(supports(step) && last <= units(step, run->images));
    struct gemm_cut cut = cut_of(step);
    size_t out = step->output->channels, gathered_strip = SIZE_MAX;
    const float *bias = (const float *)step->packed + LEVELS * RGB, *weight = bias + out;
    for (size_t index = first; index < last; index++) {
        struct gemm_cut_unit unit = gemm_cut_unit(&cut, run->images, index);
        if (unit.strip != gathered_strip)
            gather(run, &cut, &unit, scratch);
        gathered_strip = unit.strip;
        size_t channel = unit.block * cut.block_channels;
        size_t channels = out - channel < cut.block_channels ? out - channel : cut.block_channels;
        float *to = tensor_row_f32(step->output, run->buffers, run->first_image, 0) +
                    unit.first_row * step->output->pixel_stride + channel;
        openblas_sgemm(unit.rows, channels, taps(step), scratch, taps(step),
                       weight + channel * taps(step), taps(step), false, to,
                       step->output->pixel_stride);
        gemm_cut_finish(run, &cut, &unit, channel, channels, bias, NULL);
    }
}

const struct kernel conv_input_f32_gemm_blas = {
    .name = "conv_input_f32_gemm_blas",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
