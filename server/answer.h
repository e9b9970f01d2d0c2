/* What became of one image, and the JSON document that says so: what --json prints and what a
 * service sends. */
#ifndef CLASSIFYD_SERVER_ANSWER_H
#define CLASSIFYD_SERVER_ANSWER_H

#include "model/image/image.h"
#include "model/model.h"

struct answer_times {
    uint64_t decode_us, preprocess_us, inference_us, total_us;
};

/* Everything is borrowed. Where `error` is set, predictions, info and times mean nothing. */
struct answer {
    const char *file; /* as the caller named it; bytes that are not UTF-8 become U+FFFD */
    const struct model *model;
    size_t prediction_count;
    const struct topk_entry *predictions;
    struct image_info info;
    struct answer_times times;
    struct error error;
};

/* {"file", "model", "predictions", "image", "timing_ms"}, or {"file", "model", "error": {"code",
 * "detail"}}, on one line without its end. Fails with STATUS_NO_MEMORY, STATUS_INTERNAL. Any
 * thread. Returns owned, free(). */
MUST_CHECK enum status answer_format_json(const struct answer *answer, char **ret_text,
                                          struct error *error);

#endif
