/* A quantization in the making: scales that follow from choices, and runs of the network with them.
 */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_DRAFT_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_DRAFT_H

#include "model/calibration/calibration_network.h"
#include "model/net/quantization.h"

/* What was chosen for one convolution. */
struct calibration_choice {
    enum step_arithmetic arithmetic; /* STEP_INT8 or STEP_BF16 */
    bool is_max;                     /* its output's step is by the largest activation */
};

struct calibration_draft;

/* `network` is borrowed. All choices are int8, by least error. Fails with STATUS_NO_MEMORY,
 * STATUS_BAD_MODEL (activations over any scale). Returns owned. */
MUST_CHECK enum status calibration_draft_create(const struct calibration_network *network,
                                                struct calibration_draft **ret_draft,
                                                struct error *error);
void calibration_draft_destroy(struct calibration_draft *draft);

struct calibration_choice calibration_draft_choice(const struct calibration_draft *draft,
                                                   size_t conv);
void calibration_draft_choose(struct calibration_draft *draft, size_t conv,
                              struct calibration_choice choice);

/* Runs the images as one batch with the scales that follow from the choices and, where the options
 * say so, biases corrected layer by layer: a step that has run is given the bias with which its
 * outputs have float32's means, channel by channel, and runs again. What is over 0 is looked at
 * alone: before the ReLU most sums are below 0, where an error does no harm, and their mean says
 * nothing of the others. `images` of those that the network keeps: its search_images or its
 * bias_images. `ret_logits` [images, classes]. Fails as engine_create. */
MUST_CHECK enum status calibration_draft_run(struct calibration_draft *draft, size_t images,
                                             float *ret_logits, struct error *error);

/* A copy of what the last run ran with. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status calibration_draft_copy(const struct calibration_draft *draft,
                                              struct quantization **ret_quantization,
                                              struct error *error);

#endif
