/* Makes an int8 network of a float32 one and some images: scales of weights and activations,
 * corrected biases, and the layers that are left to bfloat16. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_H

#include "model/calibration/calibration_fidelity.h"
#include "model/calibration/calibration_network.h"
#include "model/net/quantization.h"

/* What was found for one convolution, beside the quantization's layer of the same index. */
struct calibration_layer {
    bool is_max;    /* the step of its output is by the largest activation, else by least error */
    double sqnr_db; /* of its output */
    uint64_t macs;
};

struct calibration {
    struct quantization *quantization; /* owned */
    struct calibration_layer *layers;  /* [quantization->layer_count] */
    size_t images;
};

/* Calibrates the network with these images, in their order: mix them, for the first
 * options->search_images decide what is tried. Each is read once; no more than
 * CALIBRATION_MAX_BIAS_IMAGES and a batch are in memory. Fails as engine_create, as the images'
 * read, and with STATUS_BAD_MODEL where an activation is not finite or too large. Runs long;
 * blocks. To be ended with calibration_fini, also after a failure. */
MUST_CHECK enum status calibration_init(const struct graph *graph,
                                        const struct calibration_options *options,
                                        const struct calibration_images *images,
                                        struct calibration *ret_calibration, struct error *error);
void calibration_fini(struct calibration *calibration);

/* About how many images calibration_init runs, for progress. */
size_t calibration_image_runs(size_t conv_count, const struct calibration_options *options,
                              size_t images);

#endif
