#include "model/kernels/generic/average_pool_generic.h"

#include <assert.h>
#include <string.h>

static size_t no_bytes(const struct step *step)
{
    (void)step;
    return 0;
}

static bool supports(const struct step *step)
{
    return step->op == STEP_AVERAGE_POOL && step->output->type == TENSOR_F32 &&
           step->input->channels == step->output->channels && step->output->height_px == 1 &&
           step->output->width_px == 1;
}

static size_t units(const struct step *step, size_t images)
{
    (void)step;
    return images;
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    (void)scratch;
    const struct tensor *input = run->step->input;
    assert(supports(run->step) && last <= run->images);
    float pixels = (float)input->height_px * (float)input->width_px;
    for (size_t image = run->first_image + first; image < run->first_image + last; image++) {
        float *out = tensor_row_f32(run->step->output, run->buffers, image, 0);
        memset(out, 0, run->step->output->image_stride * sizeof *out);
        for (uint32_t y = 0; y < input->height_px; y++) {
            for (uint32_t x = 0; x < input->width_px; x++) {
                const uint8_t *pixel = tensor_pixel(input, run->buffers, image, y, x);
                for (size_t c = 0; c < input->channels; c++)
                    out[c] += tensor_value(input, pixel, c);
            }
        }
        for (size_t c = 0; c < input->channels; c++)
            out[c] /= pixels;
    }
}

const struct kernel average_pool_generic = {
    .name = "average_pool_generic",
    .supports = supports,
    .packed_bytes = no_bytes,
    .pack = NULL,
    .scratch_bytes = no_bytes,
    .units = units,
    .run = run,
};
