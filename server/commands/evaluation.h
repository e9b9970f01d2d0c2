/* How often a model is right on images whose class is known, on all cores.
 *
 * Each thread reads, decodes and runs batches of its own, with an engine team of one: no thread
 * waits for another, and decoding runs beside inference. */
#ifndef CLASSIFYD_SERVER_COMMANDS_EVALUATION_H
#define CLASSIFYD_SERVER_COMMANDS_EVALUATION_H

#include "model/model.h"
#include "server/commands/dataset.h"

enum { EVALUATION_MAX_BATCH = 256 };

struct evaluation_options {
    size_t batch;           /* images that a thread runs together, 1..EVALUATION_MAX_BATCH */
    unsigned threads;       /* > 0 */
    bool orient, scale_dct; /* as image_prepare_options has them */
    /* Called on the caller's thread whenever `done` images have been dealt with, now and then. */
    void (*progress)(void *user, size_t done);
    void *user;
};

/* Of one class, or of all. */
struct evaluation_count {
    size_t images, top1, top5;
};

struct evaluation {
    struct evaluation_count all;
    struct evaluation_count *classes; /* [engine_classes] */
    size_t images;                    /* the data set's */
    size_t unreadable;
    const struct error **errors; /* [dataset->count]; NULL where the image was classified */
    uint64_t elapsed_us;
};

/* Blocks until every image is dealt with; one that cannot be read is no failure. Fails with
 * STATUS_NO_MEMORY and STATUS_INTERNAL (no threads). To be ended with evaluation_fini, also after a
 * failure. */
MUST_CHECK enum status evaluation_run(struct evaluation *evaluation, const struct model *model,
                                      const struct dataset *dataset,
                                      const struct evaluation_options *options,
                                      struct error *error);
void evaluation_fini(struct evaluation *evaluation);

#endif
