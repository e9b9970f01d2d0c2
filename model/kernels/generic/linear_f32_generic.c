#include "model/kernels/generic/linear_f32_generic.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/generic/transpose_f32.h"

enum {
    STRIP = 128, /* output channels a unit: its sums for IMAGES images fit the first cache */
    IMAGES = 4,
};

/* Packed: bias [out], weight [in, out]. */

static bool supports(const struct step *step)
{
    return step->op == STEP_LINEAR && step->input->type == TENSOR_F32 &&
           step->output->type == TENSOR_F32;
}

static size_t packed_bytes(const struct step *step)
{
    return (1 + (size_t)step->input->channels) * step->output->channels * sizeof(float);
}

static void pack(const struct step *step, const struct step_weights *weights, void *ret_packed)
{
    size_t out = step->output->channels, in = step->input->channels;
    float *to = ret_packed;
    memcpy(to, weights->bias, out * sizeof *to);
    transpose_f32(weights->weight, out, in, to + out);
}

static size_t scratch_bytes(const struct step *step)
{
    (void)step;
    return IMAGES * STRIP * sizeof(float);
}

static size_t units(const struct step *step, size_t images)
{
    (void)images;
    return (step->output->channels + STRIP - 1) / STRIP;
}

/* `count` images from `image` on, output channels [begin, end). */
static void run_strip(const struct step_run *run, size_t image, size_t count, size_t begin,
                      size_t end, float (*sums)[STRIP])
{
    const struct step *step = run->step;
    size_t out = step->output->channels;
    const float *bias = step->packed, *weight = bias + out;
    memset(sums, 0, count * sizeof *sums);
    for (size_t c = 0; c < step->input->channels; c++) {
        const float *tap = weight + c * out + begin;
        for (size_t i = 0; i < count; i++) {
            float value = tensor_row_f32(step->input, run->buffers, image + i, 0)[c];
            for (size_t o = 0; o < end - begin; o++)
                sums[i][o] += value * tap[o];
        }
    }
    for (size_t i = 0; i < count; i++) {
        float *row = tensor_row_f32(step->output, run->buffers, image + i, 0);
        for (size_t o = begin; o < end; o++)
            row[o] = sums[i][o - begin] + bias[o];
    }
}

static void run(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    assert(supports(run->step) && last <= units(run->step, run->images));
    size_t out = run->step->output->channels;
    for (size_t unit = first; unit < last; unit++) {
        size_t begin = unit * STRIP, end = begin + STRIP < out ? begin + STRIP : out;
        for (size_t i = 0; i < run->images; i += IMAGES) {
            size_t count = run->images - i < IMAGES ? run->images - i : IMAGES;
            run_strip(run, run->first_image + i, count, begin, end, scratch);
        }
    }
}

const struct kernel linear_f32_generic = {
    .name = "linear_f32_generic",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
};
