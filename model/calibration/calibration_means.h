/* Means of what a convolution reads and writes. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_MEANS_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_MEANS_H

#include "model/kernels/kernels.h"

/* Sums over all pixels of the images seen. One thread. */
struct calibration_means {
    double *squares;     /* [in, then projection channels], of the inputs; of the first step none */
    double *outputs;     /* [out] */
    uint64_t *positives; /* [out]: how many outputs are over 0 */
    uint64_t input_count, output_count; /* pixels; the projection has as many as the output */
};

/* Zeroed, for that step. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status calibration_means_init(const struct step *step,
                                              struct calibration_means *ret_means,
                                              struct error *error);

/* Accepts a zeroed struct. */
void calibration_means_fini(struct calibration_means *means);

/* Adds the inputs, or the outputs, of a pass, before or after the step runs. `line` is work memory:
 * a float for each channel of the widest tensor. */
void calibration_means_add_inputs(struct calibration_means *means, const struct step_run *run,
                                  float *line);
void calibration_means_add_outputs(struct calibration_means *means, const struct step_run *run,
                                   float *line);

/* Reads the channels of a pixel of image `image` of the pass, as real values. */
void calibration_means_read_pixel(const struct step_run *run, const struct tensor *tensor,
                                  size_t image, size_t y, size_t x, float *ret_line);

#endif
