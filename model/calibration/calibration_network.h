/* A network in float32 as calibration sees it: its convolutions, and what went through them when it
 * was shown images. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_NETWORK_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_NETWORK_H

#include "model/calibration/calibration_histogram.h"
#include "model/calibration/calibration_means.h"
#include "model/calibration/calibration_options.h"
#include "model/calibration/calibration_slots.h"
#include "model/net/fold.h"

/* Biases are corrected by at most so many images: an int8 batch of them is in memory at once. */
enum { CALIBRATION_NO_CONV = -1, CALIBRATION_MAX_BIAS_IMAGES = 128 };

struct calibration_conv {
    const struct step *step; /* of the engine's plan */
    uint64_t macs;           /* an image, the projection's included */
    bool is_stored_u8;       /* its output, in an int8 network */
    int input, projection;   /* the convolution whose step of u8 they have, or CALIBRATION_NO_CONV:
                                the pixels, no projection */
    struct fold_step folded;
    struct calibration_means means;
    struct calibration_histogram histogram; /* of its output */
    double *search_means, *bias_means;      /* [out], of its output for the first search_images and
                                               bias_images */
};

struct calibration_network {
    const struct graph *graph;                 /* borrowed */
    const struct calibration_options *options; /* borrowed */
    struct engine *engine;                     /* float32 */
    size_t conv_count;
    struct calibration_conv *convs;    /* in the order of the steps */
    size_t search_images, bias_images; /* the former not more than the latter */
    struct calibration_slots kept;     /* [bias_images]: the first images, which are run again */
    float *logits;                     /* [search_images, classes] */
};

/* Runs the images in float32. Fails as engine_create, as the images' read, and with
 * STATUS_BAD_MODEL where an activation is not a finite number. To be ended with
 * calibration_network_fini, also after a failure. */
MUST_CHECK enum status calibration_network_init(const struct graph *graph,
                                                const struct calibration_options *options,
                                                const struct calibration_images *images,
                                                struct calibration_network *ret_network,
                                                struct error *error);
void calibration_network_fini(struct calibration_network *network);

/* The convolution that a step of any plan of the graph is; NULL for another step. */
struct calibration_conv *calibration_network_find(const struct calibration_network *network,
                                                  const struct step *step);

/* Floats for one pixel of any of the network's tensors. Returns owned, free(); NULL: no memory. */
float *calibration_network_line(const struct calibration_network *network);

#endif
