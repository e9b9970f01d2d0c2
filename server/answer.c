#include "server/answer.h"

#include <stdlib.h>

#include "model/image/decode.h"
#include "server/document.h"

static void put_predictions(struct json_doc *doc, struct json_node *into,
                            const struct answer *answer)
{
    struct json_node *array = json_node_put_array(doc, into, "predictions");
    for (size_t i = 0; i < answer->prediction_count; i++) {
        const struct topk_entry *entry = &answer->predictions[i];
        struct json_node *node = json_node_put_object(doc, array, NULL);
        document_put_class(doc, node, model_labels(answer->model), entry->class_id);
        json_node_put_number(doc, node, "probability", (double)entry->probability);
    }
}

static void put_image(struct json_doc *doc, struct json_node *into, const struct image_info *info)
{
    struct json_node *node = json_node_put_object(doc, into, "image");
    json_node_put_string(doc, node, "format", decode_format_name(info->format));
    json_node_put_integer(doc, node, "width", info->width_px);
    json_node_put_integer(doc, node, "height", info->height_px);
    json_node_put_integer(doc, node, "orientation", info->orientation);
}

static void put_milliseconds(struct json_doc *doc, struct json_node *into, const char *key,
                             uint64_t microseconds)
{
    json_node_put_number(doc, into, key, (double)microseconds / 1e3);
}

static void put_times(struct json_doc *doc, struct json_node *into, const struct answer *answer)
{
    const struct answer_times *times = &answer->times;
    bool is_service = answer->batch_size > 0;
    struct json_node *node = json_node_put_object(doc, into, "timing_ms");
    if (is_service)
        put_milliseconds(doc, node, "fetch", times->fetch_us);
    put_milliseconds(doc, node, "decode", times->decode_us);
    put_milliseconds(doc, node, "preprocess", times->preprocess_us);
    if (is_service)
        put_milliseconds(doc, node, "queue", times->queue_us);
    put_milliseconds(doc, node, "inference", times->inference_us);
    put_milliseconds(doc, node, "total", times->total_us);
}

void answer_put(struct json_doc *doc, struct json_node *into, const struct answer *answer)
{
    if (answer->file)
        document_put_text(doc, into, "file", answer->file);
    if (answer->url)
        document_put_text(doc, into, "url", answer->url);
    document_put_model(doc, into, answer->model);
    if (answer->error.status) {
        document_put_error(doc, into, &answer->error);
        return;
    }
    put_predictions(doc, into, answer);
    put_image(doc, into, &answer->info);
    if (answer->batch_size > 0)
        json_node_put_integer(doc, into, "batch_size", (int64_t)answer->batch_size);
    if (answer->request_id)
        document_put_text(doc, into, "request_id", answer->request_id);
    put_times(doc, into, answer);
}

enum status answer_format_json(const struct answer *answer, char **ret_text, struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for an answer");
    answer_put(doc, json_doc_root(doc), answer);
    enum status status = json_doc_format(doc, false, ret_text, error);
    json_doc_destroy(doc);
    return status;
}
