/* A calibration from a folder of images, and how near the int8 network is to float32 on images that
 * it was not calibrated with. */
#ifndef CLASSIFYD_SERVER_COMMANDS_QUANTIZER_H
#define CLASSIFYD_SERVER_COMMANDS_QUANTIZER_H

#include "model/calibration/calibration.h"
#include "model/model.h"
#include "server/commands/dataset.h"

struct quantizer_options {
    struct calibration_options calibration; /* its engine's input is the model's */
    bool orient;
    bool is_checked;   /* two-fold, which takes twice the time again */
    size_t kept_bytes; /* of prepared images at most; what is over is prepared again for each run */
    /* Of the images that could not be read. */
    void (*complain)(void *user, const char *path, const struct error *error);
    void *user;
};

struct quantizer {
    const struct model *model; /* borrowed, as all three */
    const struct quantizer_options *options;
    const struct dataset *dataset;
    struct region pixels; /* [most_kept + 1][slot_bytes], of the first images */
    size_t slot_bytes, most_kept;
    size_t *order; /* [images]: those that can be read, mixed, by their index in the dataset */
    size_t images, unreadable;
    struct calibration calibration;         /* with all images */
    struct calibration_fidelity int8, bf16; /* of the held-out images; zero without a check */
};

enum { QUANTIZER_MIN_IMAGES = 2 };

/* Reads the images, in a mixed order that is the same each time. Fails with STATUS_NO_MEMORY,
 * STATUS_BAD_REQUEST (too few could be read). To be ended with quantizer_fini, also after a
 * failure. */
MUST_CHECK enum status quantizer_init(struct quantizer *quantizer, const struct model *model,
                                      const struct dataset *dataset,
                                      const struct quantizer_options *options, struct error *error);

/* How many images quantizer_run runs, roughly. */
size_t quantizer_image_runs(const struct quantizer *quantizer);

/* Checks two-fold (one half calibrates, the other compares, and the other way round), then
 * calibrates with all images. Fails as calibration_init, and where an image can no longer be
 * read. */
MUST_CHECK enum status quantizer_run(struct quantizer *quantizer, struct error *error);
void quantizer_fini(struct quantizer *quantizer);

#endif
