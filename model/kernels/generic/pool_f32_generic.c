#include "model/kernels/generic/pool_f32_generic.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static bool is_plain(const struct step *step)
{
    return step->input->interleave == 1 && step->output->interleave == 1 &&
           step->input->type == TENSOR_F32 && step->output->type == TENSOR_F32 &&
           step->input->channels == step->output->channels;
}

static size_t no_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

static void pack_nothing(const struct step *step, const struct step_weights *weights,
                         void *ret_packed)
{
    (void)step;
    (void)weights;
    (void)ret_packed;
}

static bool supports_max(const struct step *step)
{
    return step->op == STEP_MAX_POOL && is_plain(step);
}

static size_t units_max(const struct step *step, size_t images)
{
    return images * step->output->height_px;
}

static void take_larger(float *restrict out, const float *restrict in, size_t count)
{
    for (size_t c = 0; c < count; c++)
        out[c] = in[c] > out[c] ? in[c] : out[c];
}

static void run_max_pixel(const struct step_run *run, size_t image, uint32_t y, uint32_t x,
                          float *out)
{
    const struct step *step = run->step;
    const struct tensor *input = step->input;
    for (size_t c = 0; c < input->channels; c++)
        out[c] = -INFINITY;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++) {
        int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
        for (uint32_t kx = 0; kx < step->kernel_px; kx++) {
            int64_t in_x = (int64_t)x * step->stride_px + kx - step->pad_px;
            if (in_y >= 0 && in_y < input->height_px && in_x >= 0 && in_x < input->width_px)
                take_larger(out,
                            tensor_row_f32(input, run->buffers, image, (size_t)in_y) +
                                (size_t)in_x * input->pixel_stride,
                            input->channels);
        }
    }
}

static void run_max(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    const struct tensor *output = run->step->output;
    assert(supports_max(run->step) && last <= units_max(run->step, run->images));
    for (size_t unit = first; unit < last; unit++) {
        size_t image = run->first_image + unit / output->height_px;
        uint32_t y = (uint32_t)(unit % output->height_px);
        float *row = tensor_row_f32(output, run->buffers, image, y);
        for (uint32_t x = 0; x < output->width_px; x++)
            run_max_pixel(run, image, y, x, row + x * output->pixel_stride);
        if (y + 1 == output->height_px)
            tensor_clear_padding(output, run->buffers, image);
    }
}

static bool supports_average(const struct step *step)
{
    return step->op == STEP_AVERAGE_POOL && is_plain(step) && step->output->height_px == 1 &&
           step->output->width_px == 1;
}

static size_t units_average(const struct step *step, size_t images)
{
    (void)step;
    return images;
}

static void run_average(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    const struct tensor *input = run->step->input;
    assert(supports_average(run->step) && last <= run->images);
    float pixels = (float)input->height_px * (float)input->width_px;
    for (size_t image = run->first_image + first; image < run->first_image + last; image++) {
        float *out = tensor_row_f32(run->step->output, run->buffers, image, 0);
        memset(out, 0, run->step->output->image_stride * sizeof *out);
        for (uint32_t y = 0; y < input->height_px; y++) {
            const float *row = tensor_row_f32(input, run->buffers, image, y);
            for (uint32_t x = 0; x < input->width_px; x++)
                for (size_t c = 0; c < input->channels; c++)
                    out[c] += row[x * input->pixel_stride + c];
        }
        for (size_t c = 0; c < input->channels; c++)
            out[c] /= pixels;
    }
}

const struct kernel pool_f32_generic_max = {
    .name = "pool_f32_generic_max",
    .supports = supports_max,
    .packed_bytes = no_bytes,
    .pack = pack_nothing,
    .scratch_bytes = no_bytes,
    .units = units_max,
    .run = run_max,
};

const struct kernel pool_f32_generic_average = {
    .name = "pool_f32_generic_average",
    .supports = supports_average,
    .packed_bytes = no_bytes,
    .pack = pack_nothing,
    .scratch_bytes = no_bytes,
    .units = units_average,
    .run = run_average,
};
