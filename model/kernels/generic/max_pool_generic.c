#include "model/kernels/generic/max_pool_generic.h"

#include <assert.h>

static size_t no_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

static bool supports(const struct step *step)
{
    return step->op == STEP_MAX_POOL && step->input->type == step->output->type &&
           step->input->scale == step->output->scale &&
           step->input->channels == step->output->channels;
}

static size_t units(const struct step *step, size_t images)
{
    return images * step->output->height_px;
}

static void take_larger_f32(float *restrict out, const float *restrict in, size_t count)
{
    for (size_t c = 0; c < count; c++)
        out[c] = in[c] > out[c] ? in[c] : out[c];
}

static void take_larger_bf16(uint16_t *restrict out, const uint16_t *restrict in, size_t count)
{
    for (size_t c = 0; c < count; c++)
        out[c] = bfloat16_to_f32(in[c]) > bfloat16_to_f32(out[c]) ? in[c] : out[c];
}

static void take_larger_u8(uint8_t *restrict out, const uint8_t *restrict in, size_t count)
{
    for (size_t c = 0; c < count; c++)
        out[c] = in[c] > out[c] ? in[c] : out[c];
}

static void take_larger(enum tensor_type type, void *out, const void *in, size_t count)
{
    if (type == TENSOR_F32)
        take_larger_f32(out, in, count);
    else if (type == TENSOR_BF16)
        take_larger_bf16(out, in, count);
    else
        take_larger_u8(out, in, count);
}

static void run_pixel(const struct step_run *run, size_t image, uint32_t y, uint32_t x, void *out)
{
    const struct step *step = run->step;
    const struct tensor *input = step->input;
    bool is_first = true;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++) {
        int64_t in_y = (int64_t)y * step->stride_px + ky - step->pad_px;
        for (uint32_t kx = 0; kx < step->kernel_px; kx++) {
            int64_t in_x = (int64_t)x * step->stride_px + kx - step->pad_px;
            if (in_y < 0 || in_y >= input->height_px || in_x < 0 || in_x >= input->width_px)
                continue;
            const void *in = tensor_pixel(input, run->buffers, image, (size_t)in_y, (size_t)in_x);
            if (is_first)
                memcpy(out, in, input->channels * tensor_element_bytes(input->type));
            else
                take_larger(input->type, out, in, input->channels);
            is_first = false;
        }
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    const struct tensor *output = run->step->output;
    assert(supports(run->step) && last <= units(run->step, run->images));
    for (size_t unit = first; unit < last; unit++) {
        size_t image = run->first_image + unit / output->height_px;
        uint32_t y = (uint32_t)(unit % output->height_px);
        for (uint32_t x = 0; x < output->width_px; x++)
            run_pixel(run, image, y, x, tensor_pixel(output, run->buffers, image, y, x));
        if (y + 1 == output->height_px)
            tensor_clear_padding(output, run->buffers, image);
    }
}

const struct kernel max_pool_generic = {
    .name = "max_pool_generic",
    .supports = supports,
    .packed_bytes = no_bytes,
    .pack = NULL,
    .scratch_bytes = no_bytes,
    .units = units,
    .run = run,
};
