/* Owns the parts of one model and the order in which they are made. */
#include "model/model.h"

#include <stdlib.h>

#include "model/model_cache.h"
#include "model/model_source.h"
#include "model/net/quantization_file.h"

struct model {
    struct model_source source;
    struct graph *graph;               /* borrows the weights */
    struct packed_cache *cache;        /* owned; model_store_packed's alone once loaded */
    struct quantization *quantization; /* outlives the engine; NULL: not calibrated */
    struct engine *engine;
};

static enum status load_graph(const struct model_library *library, struct model *model,
                              struct error *error)
{
    enum status status = graph_create(model->source.weights, &model->graph, error);
    if (status == STATUS_OK)
        status = model_source_settle_labels(library, model->graph->classes, &model->source, error);
    if (status == STATUS_OK)
        status = quantization_file_read(model->source.weights, model->graph, &model->quantization,
                                        error);
    if (status != STATUS_OK)
        error_prefix(error, "%s", model->source.path);
    return status;
}

static enum status load_engine(const struct model_options *options, struct model *model,
                               struct error *error)
{
    const struct recipe *recipe = &model->source.recipe;
    struct engine_options engine = options->engine;
    engine.quantization = model->quantization;
    engine.input_px = recipe->crop_px;
    memcpy(engine.mean, recipe->mean, sizeof engine.mean);
    memcpy(engine.std, recipe->std, sizeof engine.std);
    engine.cache = model->cache->state == PACKED_CACHE_OFF ? NULL : model->cache;
    enum status status = engine_create(model->graph, &engine, &model->engine, error);
    if (status == STATUS_BAD_MODEL)
        error_prefix(error, "%s", model->source.path);
    return status;
}

enum status model_load(const struct model_library *library, const char *name,
                       const struct model_options *options, struct model **ret_model,
                       struct error *error)
{
    struct model *model = calloc(1, sizeof *model);
    if (model)
        model->cache = calloc(1, sizeof *model->cache);
    if (!model || !model->cache) {
        free(model);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a model");
    }
    enum status status = model_source_init(library, name, &model->source, error);
    if (status == STATUS_OK)
        status = load_graph(library, model, error);
    if (status == STATUS_OK)
        status = model_cache_init(options, &model->source, model->cache, error);
    if (status == STATUS_OK)
        status = load_engine(options, model, error);
    if (status == STATUS_OK)
        *ret_model = model;
    else
        model_destroy(model);
    return status;
}

void model_destroy(struct model *model)
{
    if (!model)
        return;
    engine_destroy(model->engine);
    quantization_destroy(model->quantization);
    graph_destroy(model->graph);
    model_source_fini(&model->source);
    packed_cache_fini(model->cache);
    free(model->cache);
    free(model);
}

const char *model_name(const struct model *model)
{
    return model->source.name;
}

const char *model_weights(const struct model *model)
{
    return model->source.set;
}

const char *model_precision(const struct model *model)
{
    return engine_precision(model->engine);
}

const char *model_note(const struct model *model)
{
    return model->source.note;
}

const char *model_source(const struct model *model)
{
    return model->source.path;
}

const struct recipe *model_recipe(const struct model *model)
{
    return &model->source.recipe;
}

const struct labels *model_labels(const struct model *model)
{
    return model->source.labels;
}

const struct engine *model_engine(const struct model *model)
{
    return model->engine;
}

const struct graph *model_graph(const struct model *model)
{
    return model->graph;
}

const struct weights *model_tensors(const struct model *model)
{
    return model->source.weights;
}

const struct quantization *model_quantization(const struct model *model)
{
    return model->quantization;
}

const struct engine_golden *model_golden(const struct model *model)
{
    return model->source.golden.count > 0 ? &model->source.golden : NULL;
}

const struct packed_cache *model_packed_cache(const struct model *model)
{
    return model->cache;
}

void model_store_packed(const struct model *model)
{
    packed_cache_store(model->cache, plan_header(engine_plan(model->engine)));
}
