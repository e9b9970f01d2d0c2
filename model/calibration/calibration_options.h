/* How a network is to be calibrated. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_OPTIONS_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_OPTIONS_H

#include "model/net/engine.h"

/* The step of a channel's s8 weights. */
enum calibration_weights {
    CALIBRATION_WEIGHTS_LEAST_ERROR, /* least squared error of the weights */
    CALIBRATION_WEIGHTS_WEIGHTED,    /* the same, each error times the mean square of its input */
    CALIBRATION_WEIGHTS_MAX,         /* the largest weight is 127 steps */
};

/* The step of a tensor's u8 activations. */
enum calibration_activations {
    CALIBRATION_ACTIVATIONS_BEST, /* of the two others, tensor by tensor, the one with which the
                                     logits come out better */
    CALIBRATION_ACTIVATIONS_LEAST_ERROR, /* least squared error of the tensor */
    CALIBRATION_ACTIVATIONS_MAX,         /* the largest activation seen is 255 steps */
};

struct calibration_options {
    struct engine_options engine; /* its precision and quantization are not looked at */
    unsigned threads;             /* >= 1 */
    enum calibration_weights weights;
    enum calibration_activations activations;
    bool has_bias_correction;
    double bf16_share;    /* 0..1: of the multiply-adds that may be bfloat16's */
    size_t search_images; /* >= 1: with how many of the images choices are tried */
    /* Called on the caller's thread when `images` more have been run. */
    void (*progress)(void *user, size_t images); /* NULL: nobody looks */
    void *user;
};

#endif
