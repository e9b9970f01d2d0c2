#include "server/api/service_document.h"

#include "server/document.h"

const char *service_document_state(enum registry_state state)
{
    static const char *const names[] = {
        [REGISTRY_LOADING] = "loading",
        [REGISTRY_READY] = "ready",
        [REGISTRY_FAILED] = "failed",
    };
    return names[state];
}

static void put_state(struct json_doc *doc, struct json_node *into,
                      const struct registry_entry *entry)
{
    enum registry_state state = registry_entry_state(entry);
    json_node_put_string(doc, into, "state", service_document_state(state));
    if (state == REGISTRY_FAILED)
        document_put_text(doc, into, "reason", registry_entry_reason(entry));
}

/* The kernels of the first model that has some: all models are run by the same. */
static void put_kernels(struct json_doc *doc, struct json_node *into,
                        const struct registry *registry)
{
    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct model *model = registry_entry_model(registry_at(registry, i));
        if (model) {
            document_put_kernels(doc, into, model);
            return;
        }
    }
}

static void put_queues(struct json_doc *doc, struct json_node *into, const struct metrics *metrics)
{
    static const struct {
        const char *name;
        enum metrics_queue queue;
    } queues[] = {
        {"fetch", METRICS_QUEUE_FETCH},
        {"prepare", METRICS_QUEUE_PREPARE},
        {"batch", METRICS_QUEUE_BATCH},
    };
    struct json_node *node = json_node_put_object(doc, into, "queues");
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++)
        json_node_put_integer(doc, node, queues[i].name,
                              metrics_queue_depth(metrics, queues[i].queue));
}

static void put_memory(struct json_doc *doc, struct json_node *into,
                       const struct service_options *options)
{
    struct json_node *node = json_node_put_object(doc, into, "memory");
    json_node_put_integer(doc, node, "request_bytes",
                          metrics_gauge_value(options->metrics, METRICS_REQUEST_BYTES));
    if (!options->memory)
        return;
    struct service_memory memory = {0};
    options->memory(options->user, &memory);
    json_node_put_integer(doc, node, "model_bytes", (int64_t)memory.total_bytes);
    json_node_put_integer(doc, node, "pinned_bytes", (int64_t)memory.locked_bytes);
}

struct json_doc *service_document_health(const struct service_options *options, const char *status,
                                         uint64_t uptime_us)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return NULL;
    struct json_node *root = json_doc_root(doc);
    json_node_put_string(doc, root, "status", status);
    json_node_put_string(doc, root, "version", CLASSIFYD_VERSION);
    json_node_put_number(doc, root, "uptime_s", (double)uptime_us / 1e6);
    struct json_node *models = json_node_put_array(doc, root, "models");
    for (size_t i = 0; i < registry_count(options->registry); i++) {
        const struct registry_entry *entry = registry_at(options->registry, i);
        struct json_node *node = json_node_put_object(doc, models, NULL);
        document_put_text(doc, node, "name", registry_entry_name(entry));
        put_state(doc, node, entry);
    }
    put_kernels(doc, root, options->registry);
    put_queues(doc, root, options->metrics);
    json_node_put_integer(doc, root, "requests_in_flight",
                          metrics_gauge_value(options->metrics, METRICS_REQUESTS_IN_FLIGHT));
    json_node_put_integer(doc, root, "connections",
                          metrics_gauge_value(options->metrics, METRICS_OPEN_CONNECTIONS));
    put_memory(doc, root, options);
    json_node_put_integer(doc, root, "cpu_threads", options->cpu_threads);
    return doc;
}

static void put_model(struct json_doc *doc, struct json_node *into, const struct model *model)
{
    const struct recipe *recipe = model_recipe(model);
    document_put_model(doc, into, model);
    json_node_put_integer(doc, into, "classes", engine_classes(model_engine(model)));
    json_node_put_integer(doc, into, "input_px", engine_input_px(model_engine(model)));
    struct json_node *node = json_node_put_object(doc, into, "recipe");
    json_node_put_integer(doc, node, "resize", recipe->resize_px);
    json_node_put_integer(doc, node, "crop", recipe->crop_px);
    document_put_three(doc, node, "mean", recipe->mean);
    document_put_three(doc, node, "std", recipe->std);
}

struct json_doc *service_document_models(const struct registry *registry)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return NULL;
    struct json_node *models = json_node_put_array(doc, json_doc_root(doc), "models");
    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct registry_entry *entry = registry_at(registry, i);
        struct json_node *node = json_node_put_object(doc, models, NULL);
        document_put_text(doc, node, "name", registry_entry_name(entry));
        json_node_put_boolean(doc, node, "default", i == 0);
        put_state(doc, node, entry);
        if (registry_entry_model(entry))
            put_model(doc, node, registry_entry_model(entry));
    }
    return doc;
}
