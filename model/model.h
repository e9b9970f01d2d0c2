/* A network ready to classify: engine, preprocessing and labels of one model, immutable once
 * loaded. */
#ifndef CLASSIFYD_MODEL_MODEL_H
#define CLASSIFYD_MODEL_MODEL_H

#include "model/base/span.h"
#include "model/base/status.h"
#include "model/catalogue/catalogue.h"
#include "model/catalogue/labels.h"
#include "model/catalogue/recipe.h"
#include "model/net/engine.h"
#include "model/net/engine_golden.h"
#include "model/net/graph.h"
#include "model/net/packed_cache.h"
#include "model/net/topk.h"

/* What every model may draw on; borrowed, must outlive the models. */
struct model_library {
    const struct catalogue *catalogue;
    const struct labels *imagenet_labels;
    struct span demo_weights; /* safetensors; the embedded default */
    const char *folders;      /* where weight files are looked for, colon-separated */
};

struct model_options {
    struct engine_options engine;
    /* Packed weights of a weight file are kept for the next start: "auto" beside it, or in
     * `user_cache` where that folder cannot be written; or in the folder of that name; "off" or
     * NULL: nowhere. */
    const char *cache;
    const char *user_cache; /* NULL or "": there is none */
};

struct model;

/* Loads what `name` means: "demo"; a catalogue name ("resnet50", "resnet50:V1"); "random:resnet50"
 * or "random:resnet50?seed=1&classes=10"; or a path (anything with a slash, or ending in .pth, .pt
 * or .safetensors). A file's recipe and labels come from the JSON beside it (FILE.json), else from
 * safetensors metadata, else from the catalogue when the file is one of its entries', else they are
 * ImageNet's; labels are numbers where nothing is said and there are not 1000 classes. `options`'
 * input_px, mean and std are taken from the recipe, its cache is made by options->cache. Fails with
 * STATUS_NOT_FOUND (what to pull or where to put it), STATUS_BAD_MODEL, STATUS_UNSUPPORTED,
 * STATUS_BAD_REQUEST (settings of a random model), STATUS_NO_MEMORY. Blocks on the disk; any
 * thread. Returns owned. */
MUST_CHECK enum status model_load(const struct model_library *library, const char *name,
                                  const struct model_options *options, struct model **ret_model,
                                  struct error *error);

/* Accepts NULL. No engine_scratch of the model may be in use. */
void model_destroy(struct model *model);

const char *model_name(const struct model *model);      /* "resnet50", "demo", or the file's name */
const char *model_weights(const struct model *model);   /* "V2", "demo", "file", "seed 1" */
const char *model_precision(const struct model *model); /* "float32", "bf16", "int8" */
const char *model_note(const struct model *model);      /* a sentence for every answer, or NULL */
const char *model_source(const struct model *model);    /* path, "embedded" or "random" */
const struct recipe *model_recipe(const struct model *model);
const struct labels *model_labels(const struct model *model);
const struct engine *model_engine(const struct model *model);
const struct graph *model_graph(const struct model *model);
const struct weights *model_tensors(const struct model *model); /* as its file holds them */
/* What `classifyd quantize` found out; NULL where the model was never calibrated. */
const struct quantization *model_quantization(const struct model *model);
const struct engine_golden *model_golden(const struct model *model);      /* NULL: carries none */
const struct packed_cache *model_packed_cache(const struct model *model); /* what came of it */

/* Writes the packed weights where the next start finds them, unless they came from there. What
 * cannot be written is no failure: model_packed_cache says why. Blocks on the disk; one thread at a
 * time, while others may run the model. */
void model_store_packed(const struct model *model);

#endif
