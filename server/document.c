#include "server/document.h"

#include <math.h>
#include <stdlib.h>

#include "model/base/utf8.h"

void document_put_text(struct json_doc *doc, struct json_node *into, const char *key,
                       const char *text)
{
    char *repaired = utf8_repair(text);
    /* Without memory the document takes note of the failure. */
    json_node_put_string(doc, into, key, repaired);
    free(repaired);
}

void document_put_model(struct json_doc *doc, struct json_node *into, const struct model *model)
{
    struct json_node *node = json_node_put_object(doc, into, "model");
    document_put_text(doc, node, "name", model_name(model));
    document_put_text(doc, node, "weights", model_weights(model));
    document_put_text(doc, node, "precision", model_precision(model));
    if (model_note(model))
        document_put_text(doc, node, "note", model_note(model));
}

void document_put_kernels(struct json_doc *doc, struct json_node *into, const struct model *model)
{
    const struct kernel_set *set = engine_kernel_set(model_engine(model));
    struct json_node *node = json_node_put_object(doc, into, "kernels");
    json_node_put_string(doc, node, "set", set->name);
    json_node_put_string(doc, node, "description", kernels_description(set));
}

void document_put_error(struct json_doc *doc, struct json_node *into, const struct error *error)
{
    struct json_node *node = json_node_put_object(doc, into, "error");
    json_node_put_string(doc, node, "code", status_code(error->status));
    document_put_text(doc, node, "detail", error->text);
}

void document_put_class(struct json_doc *doc, struct json_node *into, const struct labels *labels,
                        uint32_t class_id)
{
    struct label label = labels_at(labels, class_id);
    json_node_put_integer(doc, into, "class_id", class_id);
    if (label.wnid)
        document_put_text(doc, into, "wnid", label.wnid);
    document_put_text(doc, into, "label", label.text);
}

static double shortest(float value)
{
    return round((double)value * 1e6) / 1e6;
}

void document_put_three(struct json_doc *doc, struct json_node *into, const char *key,
                        const float values[3])
{
    struct json_node *array = json_node_put_array(doc, into, key);
    for (size_t i = 0; i < 3; i++)
        json_node_put_number(doc, array, NULL, shortest(values[i]));
}
