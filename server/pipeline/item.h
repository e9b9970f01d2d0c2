/* One image on its way through the service, and what became of it.
 *
 * An item has two references: the request's (through its job) and the pipeline's. Whoever calls
 * item_finish first decides its outcome: the engine with an answer, a stage with a problem, or from
 * outside the deadline, a client that left, a shutdown. The others find it finished and let go. So
 * an answer goes out in time even where a stage hangs. */
#ifndef CLASSIFYD_SERVER_PIPELINE_ITEM_H
#define CLASSIFYD_SERVER_PIPELINE_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "model/image/image.h"
#include "model/model.h"
#include "server/blob.h"
#include "server/problem.h"

/* What a client asked for, one image. */
struct item_request {
    struct blob *blob;     /* holds `bytes`; retained. NULL with a URL */
    struct span bytes;     /* the image file, within `blob` */
    const char *url;       /* copied; NULL with bytes */
    const char *file;      /* its name as the client gave it, copied; NULL: none */
    const char *model;     /* a served model's name, copied; NULL: the first */
    uint32_t top_k;        /* 0: the default of 5, or all classes where there are fewer */
    float min_probability; /* classes below are left out; 0: none is */
};

enum { ITEM_DEFAULT_TOP_K = 5 };

/* Where an item is; for the log's "stage" and for tests. */
enum item_stage {
    ITEM_STAGE_SUBMIT,
    ITEM_STAGE_FETCH,
    ITEM_STAGE_PREPARE,
    ITEM_STAGE_QUEUE,
    ITEM_STAGE_INFERENCE,
    ITEM_STAGE_DONE
};

struct item_times {
    uint64_t fetch_us, decode_us, preprocess_us, queue_us, inference_us;
    uint64_t total_us; /* from item_create to the finish */
};

/* Valid once the item's job is done; immutable from then on. */
struct item_outcome {
    struct problem
        problem;           /* code PROBLEM_NONE: there is an answer, and the rest means something */
    enum item_stage stage; /* where it was when it was finished */
    const struct model *model; /* borrowed from the registry; NULL where it was not found */
    size_t prediction_count;
    const struct topk_entry *predictions; /* owned by the item */
    struct image_info info;
    struct item_times times; /* of a problem: total_us alone */
    size_t batch_size;       /* images that ran together */
};

struct item;

/* Copies the request. Fails with STATUS_NO_MEMORY. Returns one reference. Any thread. */
MUST_CHECK enum status item_create(const struct item_request *request, struct item **ret_item,
                                   struct error *error);

/* Any thread; release accepts NULL. */
struct item *item_retain(struct item *item);
void item_release(struct item *item);

const struct item_request *item_request(const struct item *item);
const struct item_outcome *item_outcome(const struct item *item);

#endif
