/* How near the logits of one arithmetic are to those of another. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_FIDELITY_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_FIDELITY_H

#include "model/calibration/calibration_network.h"

struct calibration_fidelity {
    size_t images;
    size_t agreeing;      /* images whose most probable class is the same */
    double signal, noise; /* sums of squares: of the float32 logits around their image's mean (of
                             a single class: around 0), of the differences */
};

/* Adds the logits [images, classes] of some images. Any thread. */
void calibration_fidelity_add(struct calibration_fidelity *fidelity, const float *reference,
                              const float *logits, size_t images, size_t classes);

/* 10 * log10(signal / noise), from -200 to 200. */
double calibration_fidelity_db(double signal, double noise);

/* How images are to be run. */
struct calibration_fidelity_case {
    const struct graph *graph;
    const struct calibration_options *options;
    const char *precision;                   /* instead of the options' */
    const struct quantization *quantization; /* likewise; or NULL */
};

/* Runs images through an engine of these options, batch by batch as they are read, into [count,
 * classes]. Fails as engine_create and as the images' read. */
MUST_CHECK enum status calibration_fidelity_run(const struct calibration_fidelity_case *given,
                                                const struct calibration_images *images,
                                                float *ret_logits, struct error *error);

/* The same, and adds what comes out to `fidelity`, against `reference` [count, classes]. */
MUST_CHECK enum status calibration_fidelity_compare(const struct calibration_fidelity_case *given,
                                                    const struct calibration_images *images,
                                                    const float *reference,
                                                    struct calibration_fidelity *fidelity,
                                                    struct error *error);

/* Writes how far the output of each convolution is from the float32 network's, in decibel, in the
 * order of the network's convolutions, [conv_count], by `images` of those that the network keeps.
 * Fails as engine_create. */
MUST_CHECK enum status calibration_fidelity_layers(const struct calibration_network *network,
                                                   const struct quantization *quantization,
                                                   size_t images, double *ret_db,
                                                   struct error *error);

#endif
