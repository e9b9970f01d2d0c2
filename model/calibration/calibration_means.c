#include "model/calibration/calibration_means.h"

#include <stdlib.h>

#include "model/base/alloc.h"

enum status calibration_means_init(const struct step *step, struct calibration_means *ret_means,
                                   struct error *error)
{
    size_t extra = step->projection ? step->projection->channels : 0;
    size_t out = step->output->channels;
    struct calibration_means means = {
        .squares = alloc_array(step->input->channels + extra, sizeof(double), SIZE_MAX / 2),
        .outputs = alloc_array(out, sizeof(double), SIZE_MAX / 2),
        .positives = alloc_array(out, sizeof(uint64_t), SIZE_MAX / 2)};
    if (!means.squares || !means.outputs || !means.positives) {
        calibration_means_fini(&means);
        return error_set(error, STATUS_NO_MEMORY, "no memory for the means of layer %s",
                         step->name);
    }
    *ret_means = means;
    return STATUS_OK;
}

void calibration_means_fini(struct calibration_means *means)
{
    free(means->squares);
    free(means->outputs);
    free(means->positives);
    *means = (struct calibration_means){0};
}

void calibration_means_read_pixel(const struct step_run *run, const struct tensor *tensor,
                                  size_t image, size_t y, size_t x, float *ret_line)
{
    const uint8_t *pixel = tensor_pixel(tensor, run->buffers, run->first_image + image, y, x);
    if (tensor->type == TENSOR_U8)
        for (size_t c = 0; c < tensor->channels; c++)
            ret_line[c] = (float)pixel[c] * tensor->scale;
    else
        for (size_t c = 0; c < tensor->channels; c++)
            ret_line[c] = tensor_value(tensor, pixel, c);
}

static void add_squares(double *sums, const float *line, size_t channels)
{
    for (size_t c = 0; c < channels; c++)
        sums[c] += (double)(line[c] * line[c]);
}

static void add_projection(struct calibration_means *means, const struct step_run *run,
                           size_t image, float *line)
{
    const struct step *step = run->step;
    size_t stride = step->projection_stride_px;
    for (size_t y = 0; y < step->output->height_px; y++)
        for (size_t x = 0; x < step->output->width_px; x++) {
            calibration_means_read_pixel(run, step->projection, image, y * stride, x * stride,
                                         line);
            add_squares(means->squares + step->input->channels, line, step->projection->channels);
        }
}

void calibration_means_add_inputs(struct calibration_means *means, const struct step_run *run,
                                  float *line)
{
    const struct step *step = run->step;
    const struct tensor *input = step->input;
    for (size_t i = 0; i < run->images && step->op != STEP_CONV_INPUT; i++) {
        for (size_t y = 0; y < input->height_px; y++)
            for (size_t x = 0; x < input->width_px; x++) {
                calibration_means_read_pixel(run, input, i, y, x, line);
                add_squares(means->squares, line, input->channels);
            }
        if (step->projection)
            add_projection(means, run, i, line);
    }
    means->input_count += (uint64_t)run->images * input->height_px * input->width_px;
}

void calibration_means_add_outputs(struct calibration_means *means, const struct step_run *run,
                                   float *line)
{
    const struct tensor *output = run->step->output;
    for (size_t i = 0; i < run->images; i++)
        for (size_t y = 0; y < output->height_px; y++)
            for (size_t x = 0; x < output->width_px; x++) {
                calibration_means_read_pixel(run, output, i, y, x, line);
                for (size_t c = 0; c < output->channels; c++) {
                    means->outputs[c] += (double)line[c];
                    means->positives[c] += line[c] > 0;
                }
            }
    means->output_count += (uint64_t)run->images * output->height_px * output->width_px;
}
