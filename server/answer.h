/* What became of one image, and the JSON document that says so: what --json prints and what a
 * service sends. */
#ifndef CLASSIFYD_SERVER_ANSWER_H
#define CLASSIFYD_SERVER_ANSWER_H

#include "model/base/json_doc.h"
#include "model/image/image.h"
#include "model/model.h"

struct answer_times {
    uint64_t decode_us, preprocess_us, inference_us, total_us;
    uint64_t fetch_us, queue_us; /* of a service */
};

/* Everything is borrowed. Where `error` is set, predictions, info and times mean nothing. */
struct answer {
    const char *file; /* as the caller named it; bytes that are not UTF-8 become U+FFFD; or NULL */
    const char *url;  /* NULL: it was not fetched */
    const struct model *model;
    size_t prediction_count;
    const struct topk_entry *predictions;
    struct image_info info;
    struct answer_times times;
    struct error error;
    size_t batch_size;      /* images that ran together; 0: a command's answer, which does not have
                               it, nor a service's times */
    const char *request_id; /* NULL: none */
};

/* Puts the members of the document into an object: {"file", "url", "model", "predictions", "image",
 * "batch_size", "request_id", "timing_ms"}, each where there is such a thing; with an error
 * {"file", "url", "model", "error": {"code", "detail"}}. Any thread. */
void answer_put(struct json_doc *doc, struct json_node *into, const struct answer *answer);

/* The same as a document of its own, on one line without its end. Fails with STATUS_NO_MEMORY,
 * STATUS_INTERNAL. Any thread. Returns owned, free(). */
MUST_CHECK enum status answer_format_json(const struct answer *answer, char **ret_text,
                                          struct error *error);

#endif
