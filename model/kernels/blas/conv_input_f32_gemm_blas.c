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
    if (step->op != STEP_CONV_INPUT || step->arithmetic != STEP_FLOAT32 || step->groups != 1 ||
        step->residual || step->projection || !tensor_is_matrix(step->output))
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

/* Values of one output row's input: kernel_px rows with their padding to both sides. */
static size_t band_stride(const struct step *step)
{
    return ((size_t)step->input->width_px + 2 * step->pad_px) * RGB;
}

static size_t band_values(const struct step *step)
{
    return band_stride(step) * step->kernel_px;
}

/* A strip's gathered pixels, then a band of normalised rows. */
static size_t scratch_bytes(const struct step *step)
{
    struct gemm_cut cut = cut_of(step);
    return (cut.strip_rows * taps(step) + band_values(step)) * sizeof(float);
}

static size_t units(const struct step *step, size_t images)
{
    struct gemm_cut cut = cut_of(step);
    return gemm_cut_units(&cut, images);
}

static void normalise(const struct step *step, const struct step_slot *slot, size_t row, float *to)
{
    size_t count = (size_t)step->input->width_px * RGB;
    const float *levels = step->packed;
    if (slot->type == TENSOR_F32) {
        memcpy(to, (const float *)slot->data + row * count, count * sizeof *to);
        return;
    }
    const uint8_t *values = (const uint8_t *)slot->data + row * count;
    for (size_t i = 0; i < count; i += RGB)
        for (size_t c = 0; c < RGB; c++)
            to[i + c] = levels[values[i + c] * RGB + c];
}

/* The rows that output row `y` reads, normalised, zero outside the image. */
static void fill_band(const struct step *step, const struct step_slot *slot, uint32_t y,
                      float *band)
{
    memset(band, 0, band_values(step) * sizeof *band);
    for (uint32_t ky = 0; ky < step->kernel_px; ky++) {
        int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
        if (in_y >= 0 && in_y < step->input->height_px)
            normalise(step, slot, (size_t)in_y, band + ky * band_stride(step) + step->pad_px * RGB);
    }
}

static void gather_pixel(const struct step *step, const float *band, uint32_t x, float *row)
{
    size_t count = (size_t)step->kernel_px * RGB;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++)
        memcpy(row + ky * count, band + ky * band_stride(step) + x * step->stride_px * RGB,
               count * sizeof *row);
}

static void gather(const struct step_run *run, const struct gemm_cut *cut,
                   const struct gemm_cut_unit *unit, float *panel)
{
    const struct step *step = run->step;
    uint32_t width = step->output->width_px;
    float *band = panel + cut->strip_rows * taps(step);
    bool is_first = true;
    for (size_t row = unit->first_row; row < unit->first_row + unit->rows;
         row++, panel += taps(step)) {
        size_t pixel = row % cut->image_rows;
        uint32_t x = (uint32_t)(pixel % width);
        if (pixel >= cut->image_pixels) {
            memset(panel, 0, taps(step) * sizeof *panel);
            continue;
        }
        if (x == 0 || is_first)
            fill_band(step, &run->slots[row / cut->image_rows], (uint32_t)(pixel / width), band);
        is_first = false;
        gather_pixel(step, band, x, panel);
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
