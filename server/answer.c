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

static void put_times(struct json_doc *doc, struct json_node *into,
                      const struct answer_times *times)
{
    struct json_node *node = json_node_put_object(doc, into, "timing_ms");
    json_node_put_number(doc, node, "decode", (double)times->decode_us / 1e3);
    json_node_put_number(doc, node, "preprocess", (double)times->preprocess_us / 1e3);
    json_node_put_number(doc, node, "inference", (double)times->inference_us / 1e3);
    json_node_put_number(doc, node, "total", (double)times->total_us / 1e3);
}

enum status answer_format_json(const struct answer *answer, char **ret_text, struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for an answer");
    struct json_node *root = json_doc_root(doc);
    document_put_text(doc, root, "file", answer->file);
    document_put_model(doc, root, answer->model);
    if (answer->error.status) {
        document_put_error(doc, root, &answer->error);
    } else {
        put_predictions(doc, root, answer);
        put_image(doc, root, &answer->info);
        put_times(doc, root, &answer->times);
    }
    enum status status = json_doc_format(doc, false, ret_text, error);
    json_doc_destroy(doc);
    return status;
}
