/* The classes' names: ImageNet's 1000 from a TSV, or a model's own. */
#ifndef CLASSIFYD_MODEL_CATALOGUE_LABELS_H
#define CLASSIFYD_MODEL_CATALOGUE_LABELS_H

#include "model/base/json_doc.h"
#include "model/base/span.h"
#include "model/base/status.h"

struct label {
    const char *wnid; /* "n02099601"; NULL where the labels have none */
    const char *text; /* "golden retriever" */
};

struct labels;

/* A table with the header line "class_id<TAB>wnid<TAB>label", ids 0..n-1 in order. The bytes are
 * copied. Fails with STATUS_BAD_MODEL and the line. Returns owned. */
MUST_CHECK enum status labels_parse_tsv(struct span text, struct labels **ret_labels,
                                        struct error *error);

/* A JSON array of strings, one a class. Returns owned. */
MUST_CHECK enum status labels_read_json(const struct json_node *array, struct labels **ret_labels,
                                        struct error *error);

/* "class 0", "class 1" ...: for a network that came without names. Returns owned. */
MUST_CHECK enum status labels_create_numbered(size_t count, struct labels **ret_labels,
                                              struct error *error);

/* Accepts NULL. */
void labels_destroy(struct labels *labels);

size_t labels_count(const struct labels *labels);
struct label labels_at(const struct labels *labels, size_t class_id);

/* The class that a folder of a test set means: its wnid, its label (spaces or underscores, any
 * case) or its number. False where none fits or two labels do. */
bool labels_find(const struct labels *labels, const char *name, size_t *ret_class_id);

#endif
