/* What a model's name leads to: the weights, and how their images are prepared and their classes
 * called. Everything of a model but the engine. */
#ifndef CLASSIFYD_MODEL_MODEL_SOURCE_H
#define CLASSIFYD_MODEL_MODEL_SOURCE_H

#include "model/model.h"
#include "model/net/engine_golden.h"
#include "model/net/weights.h"

struct model_source {
    struct weights *weights;
    struct recipe recipe;
    struct labels *own_labels;   /* NULL where `labels` is borrowed from the library */
    const struct labels *labels; /* NULL where nothing says: see model_source_settle_labels */
    struct engine_golden golden; /* count 0 where the model carries none */
    char *name, *set, *note;     /* of model_name, model_weights, model_note; `note` may be NULL */
    char *path;                  /* of model_source: a path, "embedded", "random" */
};

/* Resolves `name` as model_load says and opens the weights. Fails as model_load. To be ended with
 * model_source_fini, also after a failure. */
MUST_CHECK enum status model_source_init(const struct model_library *library, const char *name,
                                         struct model_source *source, struct error *error);

/* Makes `labels` fit a network of `classes`: ImageNet's or numbers where nothing was said. Fails
 * with STATUS_BAD_MODEL where as many were given as do not fit. */
MUST_CHECK enum status model_source_settle_labels(const struct model_library *library,
                                                  size_t classes, struct model_source *source,
                                                  struct error *error);

/* Accepts a zeroed struct. */
void model_source_fini(struct model_source *source);

#endif
