/* The worker threads: bytes of an image file in, pixels in a batch slot out. */
#ifndef CLASSIFYD_SERVER_PIPELINE_PREPARER_H
#define CLASSIFYD_SERVER_PIPELINE_PREPARER_H

#include "server/pipeline/prepare_queue.h"

struct preparer;

struct preparer_options {
    struct prepare_queue *queue; /* borrowed; outlives the preparer */
    struct metrics *metrics;     /* may be NULL */
    unsigned threads;            /* >= 1 */
    struct image_limits limits;
    size_t decode_memory_bytes; /* of all images that are decoded at one time */
    bool orient, scale_dct;     /* as image_prepare_options has them */
};

/* Starts the threads. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status preparer_create(const struct preparer_options *options,
                                       struct preparer **ret_preparer, struct error *error);

/* Closes the queue and ends the threads; each finishes the image that it has in hand. Accepts NULL.
 */
void preparer_destroy(struct preparer *preparer);

#endif
