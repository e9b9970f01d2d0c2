#include "model/kernels/generic/conv_rows.h"

#include <assert.h>

size_t conv_rows_group_channels(const struct step *step)
{
    return step->input->channels / step->groups;
}

size_t conv_rows_taps(const struct step *step)
{
    return (size_t)step->kernel_px * step->kernel_px * conv_rows_group_channels(step);
}

size_t conv_rows_projection_channels(const struct step *step)
{
    return step->projection ? step->projection->channels : 0;
}

size_t conv_rows_units(const struct step *step, size_t images)
{
    return images * step->output->height_px;
}

void conv_rows_run(const struct step_run *run, size_t first, size_t last,
                   conv_rows_pixel_fn *run_pixel, const void *packed)
{
    const struct tensor *output = run->step->output;
    assert(last <= conv_rows_units(run->step, run->images));
    for (size_t unit = first; unit < last; unit++) {
        size_t image = unit / output->height_px;
        uint32_t y = (uint32_t)(unit % output->height_px);
        for (uint32_t x = 0; x < output->width_px; x++)
            run_pixel(run, packed, image, y, x);
        if (y + 1 == output->height_px)
            tensor_clear_padding(output, run->buffers, run->first_image + image);
    }
}
