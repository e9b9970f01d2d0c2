/* Owns the thread, and the order in which a model becomes ready. */
#include "server/models/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/net/engine_check.h"

struct loader {
    struct loader_options options;
    pthread_t thread;
    atomic_bool is_stopping;
    bool has_told_of_locking; /* the thread's own */
};

/* What one model took. */
struct timing {
    uint64_t load_us, lane_us, check_us;
};

/* A check with all images of a batch takes longer than loading, and finds with as many as keep the
 * threads busy for some 100 ms what it finds with more: each step is looked at in as many places,
 * and the last image still has company. */
static size_t check_images(const struct loader *loader, const struct model *model)
{
    const uint64_t enough_macs = UINT64_C(8000000000);
    const struct graph *graph = model_graph(model);
    struct graph_layer_cost *costs = alloc_array(graph->layer_count, sizeof *costs, SIZE_MAX);
    uint64_t macs = 1, images = 2;
    if (costs) {
        graph_costs(graph, model_recipe(model)->crop_px, costs);
        for (size_t i = 0; i < graph->layer_count; i++)
            macs += costs[i].macs;
        images = enough_macs / macs > 2 ? enough_macs / macs : 2;
    }
    free(costs);
    return images < loader->options.check_batch ? (size_t)images : loader->options.check_batch;
}

static enum status check_model(const struct loader *loader, const struct model *model,
                               struct error *error)
{
    const struct loader_options *options = &loader->options;
    struct engine_scratch *scratch;
    struct engine_check_report report;
    size_t images = check_images(loader, model);
    enum status status =
        engine_scratch_create(model_engine(model), images, options->check_threads, &scratch, error);
    if (status != STATUS_OK)
        return status;
    status = engine_check(model_engine(model), model_graph(model), scratch, images,
                          model_golden(model), &report, error);
    engine_scratch_destroy(scratch);
    if (status != STATUS_OK)
        error_prefix(error, "self-check");
    return status;
}

/* The registry has the model as soon as it is loaded, also where it fails later. */
static enum status load(struct loader *loader, struct registry_entry *entry,
                        struct timing *ret_timing, struct error *error)
{
    const struct loader_options *options = &loader->options;
    struct model *model;
    uint64_t start_us = clock_now_us();
    enum status status =
        model_load(options->library, registry_entry_source(entry), &options->model, &model, error);
    if (status != STATUS_OK)
        return status;
    registry_entry_set_model(entry, model);
    uint64_t loaded_us = clock_now_us();
    status = options->open_lane(options->user, entry, error);
    uint64_t opened_us = clock_now_us();
    if (status == STATUS_OK && options->self_check)
        status = check_model(loader, model, error);
    *ret_timing =
        (struct timing){loaded_us - start_us, opened_us - loaded_us, clock_now_us() - opened_us};
    return status;
}

static void log_failure(const struct loader *loader, const struct registry_entry *entry,
                        const struct error *error)
{
    log_write(loader->options.log, LOG_ERROR, "model_failed",
              (const struct log_field[]){
                  LOG_FIELD_TEXT("model", registry_entry_name(entry)),
                  LOG_FIELD_TEXT("source", registry_entry_source(entry)),
                  LOG_FIELD_TEXT("code", status_code(error->status)),
                  LOG_FIELD_TEXT("reason", error->text),
                  LOG_FIELD_END,
              });
}

/* Once a process: the limit is one for all models. */
static void log_locking(struct loader *loader, size_t bytes, size_t locked_bytes)
{
    if (loader->has_told_of_locking || locked_bytes >= bytes)
        return;
    loader->has_told_of_locking = true;
    log_write(loader->options.log, LOG_INFO, "memory_not_locked",
              (const struct log_field[]){
                  LOG_FIELD_INTEGER("weight_bytes", bytes),
                  LOG_FIELD_INTEGER("locked_bytes", locked_bytes),
                  LOG_FIELD_TEXT("hint", "raise the limit on locked memory (ulimit -l, "
                                         "LimitMEMLOCK=) to keep weights from being paged out"),
                  LOG_FIELD_END,
              });
}

static void log_success(struct loader *loader, const struct registry_entry *entry,
                        const struct timing *timing)
{
    const struct model *model = registry_entry_model(entry);
    const struct engine *engine = model_engine(model);
    const struct kernel_set *set = engine_kernel_set(engine);
    const struct packed_cache *cache = model_packed_cache(model);
    const struct numa_topology *numa = engine_numa(engine);
    size_t bytes, locked_bytes;
    engine_memory(engine, &bytes, &locked_bytes);
    metrics_gauge_add(loader->options.metrics, METRICS_PINNED_BYTES, (int64_t)locked_bytes);
    log_write(loader->options.log, LOG_INFO, "model_ready",
              (const struct log_field[]){
                  LOG_FIELD_TEXT("model", registry_entry_name(entry)),
                  LOG_FIELD_TEXT("network", model_name(model)),
                  LOG_FIELD_TEXT("weights", model_weights(model)),
                  LOG_FIELD_TEXT("source", model_source(model)),
                  LOG_FIELD_INTEGER("classes", engine_classes(engine)),
                  LOG_FIELD_TEXT("kernels", set->name),
                  LOG_FIELD_TEXT("kernels_detail", kernels_description(set)),
                  LOG_FIELD_INTEGER("numa_nodes", numa ? numa->node_count : 1),
                  LOG_FIELD_TEXT("cache", packed_cache_outcome(cache)),
                  LOG_FIELD_TEXT("cache_path", cache->path),
                  LOG_FIELD_TEXT("cache_reason", *cache->reason ? cache->reason : NULL),
                  LOG_FIELD_MILLISECONDS("load_ms", timing->load_us),
                  LOG_FIELD_MILLISECONDS("warm_up_ms", timing->lane_us),
                  LOG_FIELD_BOOLEAN("checked", loader->options.self_check),
                  LOG_FIELD_MILLISECONDS("check_ms", timing->check_us),
                  LOG_FIELD_INTEGER("weight_bytes", bytes),
                  LOG_FIELD_INTEGER("locked_bytes", locked_bytes),
                  LOG_FIELD_END,
              });
    if (engine_is_locked(engine))
        log_locking(loader, bytes, locked_bytes);
}

/* Last, since the disk may take its time over a hundred megabytes. */
static void store(const struct loader *loader, const struct registry_entry *entry)
{
    const struct model *model = registry_entry_model(entry);
    if (registry_entry_state(entry) != REGISTRY_READY ||
        model_packed_cache(model)->state != PACKED_CACHE_PACKED)
        return;
    uint64_t start_us = clock_now_us();
    model_store_packed(model);
    const struct packed_cache *cache = model_packed_cache(model);
    log_write(loader->options.log, LOG_INFO, "packed_weights",
              (const struct log_field[]){
                  LOG_FIELD_TEXT("model", registry_entry_name(entry)),
                  LOG_FIELD_TEXT("cache", packed_cache_outcome(cache)),
                  LOG_FIELD_TEXT("cache_path", cache->path),
                  LOG_FIELD_TEXT("cache_reason", cache->path ? NULL : cache->reason),
                  LOG_FIELD_MILLISECONDS("store_ms", clock_now_us() - start_us),
                  LOG_FIELD_END,
              });
}

static void *thread_main(void *argument)
{
    struct loader *loader = argument;
    struct registry *registry = loader->options.registry;
    for (size_t i = 0; i < registry_count(registry); i++) {
        struct registry_entry *entry = registry_at(registry, i);
        struct timing timing;
        struct error error = {0};
        if (atomic_load(&loader->is_stopping))
            return NULL;
        if (load(loader, entry, &timing, &error) == STATUS_OK) {
            log_success(loader, entry, &timing);
            registry_entry_set_ready(entry);
        } else {
            log_failure(loader, entry, &error);
            registry_entry_set_failed(entry, error.text);
        }
    }
    if (loader->options.all_ended)
        loader->options.all_ended(loader->options.user);
    for (size_t i = 0; i < registry_count(registry) && !atomic_load(&loader->is_stopping); i++)
        store(loader, registry_at(registry, i));
    if (loader->options.all_stored)
        loader->options.all_stored(loader->options.user);
    return NULL;
}

enum status loader_create(const struct loader_options *options, struct loader **ret_loader,
                          struct error *error)
{
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return error_set(error, STATUS_NO_MEMORY, "no memory to load models");
    loader->options = *options;
    if (pthread_create(&loader->thread, NULL, thread_main, loader) != 0) {
        free(loader);
        return error_set(error, STATUS_NO_MEMORY, "could not start the thread that loads models");
    }
    *ret_loader = loader;
    return STATUS_OK;
}

void loader_stop(struct loader *loader)
{
    atomic_store(&loader->is_stopping, true);
}

void loader_destroy(struct loader *loader)
{
    if (!loader)
        return;
    loader_stop(loader);
    pthread_join(loader->thread, NULL);
    free(loader);
}
