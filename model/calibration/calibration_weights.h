/* The step of each output channel's s8 weights. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_WEIGHTS_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_WEIGHTS_H

#include "model/calibration/calibration_means.h"
#include "model/calibration/calibration_options.h"

/* What the search for one step's scales is given. */
struct calibration_weights_case {
    const struct step *step;            /* of any plan: geometry, mean and std */
    const struct step_weights *weights; /* folded; scale is not looked at */
    const struct calibration_means *means;
    float input_scale, projection_scale; /* of u8 activations; the pixels' follows from std */
};

/* Writes the real value of one step of each channel's int32 sum, [out], all > 0: weight and
 * projection share it. Fails with STATUS_NO_MEMORY, STATUS_BAD_MODEL (weights over any scale). Any
 * thread. */
MUST_CHECK enum status calibration_weights_scales(const struct calibration_weights_case *given,
                                                  enum calibration_weights method,
                                                  float *ret_scales, struct error *error);

#endif
