/* Parts that the JSON documents of several commands have in common. */
#ifndef CLASSIFYD_SERVER_DOCUMENT_H
#define CLASSIFYD_SERVER_DOCUMENT_H

#include "model/base/json_doc.h"
#include "model/model.h"

/* "model": {"name", "weights", "precision", "note"?} of `into`. */
void document_put_model(struct json_doc *doc, struct json_node *into, const struct model *model);

/* "kernels": {"set", "description"} of `into`: what runs the model. */
void document_put_kernels(struct json_doc *doc, struct json_node *into, const struct model *model);

/* "error": {"code", "detail"} of `into`. */
void document_put_error(struct json_doc *doc, struct json_node *into, const struct error *error);

/* "class_id", "wnid" (where the labels have one) and "label" of `into`. */
void document_put_class(struct json_doc *doc, struct json_node *into, const struct labels *labels,
                        uint32_t class_id);

/* An array of three: a float's own digits, without those that it has not: 0.485, not 0.485000014.
 */
void document_put_three(struct json_doc *doc, struct json_node *into, const char *key,
                        const float values[3]);

/* A string of unknown origin, made UTF-8. */
void document_put_text(struct json_doc *doc, struct json_node *into, const char *key,
                       const char *text);

#endif
