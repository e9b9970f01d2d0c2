/* classifyd inspect: a network layer by layer, and what would run it. */
#include <inttypes.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "server/commands/command_table.h"
#include "server/commands/library.h"
#include "server/commands/progress.h"
#include "server/commands/terminal.h"
#include "server/document.h"

enum { NUMBER_COLUMNS = 43, EPILOGUE_COLUMNS = 36 };

/* What both forms of the output are made from. */
struct inspection {
    const struct model *model;
    const struct graph *graph;
    struct graph_layer_cost *costs; /* [layer_count] */
    struct graph_layer_cost total;  /* parameters, macs and bytes */
    uint64_t largest_output_bytes;
    size_t memory_bytes, locked_bytes; /* of the packed weights */
    unsigned threads;
    int name_columns, op_columns; /* of the table, by its widest entry */
};

static const char *op_name(const struct graph_layer *layer)
{
    switch (layer->op) {
    case GRAPH_CONV:
        return "conv";
    case GRAPH_MAX_POOL:
        return "max pool";
    case GRAPH_AVERAGE_POOL:
        return "average pool";
    case GRAPH_LINEAR:
        return "linear";
    }
    return "";
}

/* "conv 3x3 /2, 32 groups". */
static void format_op(const struct graph_layer *layer, char *ret_text, size_t size)
{
    char kernel[32] = "", stride[16] = "", groups[32] = "";
    bool has_window = layer->op == GRAPH_CONV || layer->op == GRAPH_MAX_POOL;
    if (has_window)
        (void)snprintf(kernel, sizeof kernel, " %" PRIu32 "x%" PRIu32, layer->kernel_px,
                       layer->kernel_px);
    if (has_window && layer->stride_px > 1)
        (void)snprintf(stride, sizeof stride, " /%" PRIu32, layer->stride_px);
    if (layer->groups > 1)
        (void)snprintf(groups, sizeof groups, ", %" PRIu32 " groups", layer->groups);
    (void)snprintf(ret_text, size, "%s%s%s%s", op_name(layer), kernel, stride, groups);
}

/* What is done to the sum before it is written: "+ layer1.0.conv1, ReLU". */
static void format_epilogue(const struct graph *graph, const struct graph_layer *layer,
                            char *ret_text, size_t size)
{
    const char *residual =
        layer->residual == GRAPH_NO_LAYER ? NULL : graph->layers[layer->residual].name;
    (void)snprintf(ret_text, size, "%s%s%s%s%s", layer->bn_weight ? "BN" : "",
                   residual ? (layer->bn_weight ? ", + " : "+ ") : "", residual ? residual : "",
                   layer->has_relu && (layer->bn_weight || residual) ? ", " : "",
                   layer->has_relu ? "ReLU" : "");
}

static void widen(int *columns, const char *text)
{
    int length = (int)terminal_width(text);
    *columns = length > *columns ? length : *columns;
}

static void inspection_add(struct inspection *inspection, size_t layer)
{
    const struct graph_layer_cost *cost = &inspection->costs[layer];
    char op[64];
    format_op(&inspection->graph->layers[layer], op, sizeof op);
    widen(&inspection->name_columns, inspection->graph->layers[layer].name);
    widen(&inspection->op_columns, op);
    inspection->total.parameters += cost->parameters;
    inspection->total.macs += cost->macs;
    inspection->total.weight_bytes += cost->weight_bytes;
    inspection->total.output_bytes += cost->output_bytes;
    if (cost->output_bytes > inspection->largest_output_bytes)
        inspection->largest_output_bytes = cost->output_bytes;
}

static enum status inspection_init(struct inspection *inspection, const struct model *model,
                                   unsigned threads, struct error *error)
{
    const struct graph *graph = model_graph(model);
    *inspection = (struct inspection){.model = model, .graph = graph, .threads = threads};
    inspection->costs = alloc_array(graph->layer_count, sizeof *inspection->costs, SIZE_MAX);
    if (!inspection->costs)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu layers", graph->layer_count);
    graph_costs(graph, model_recipe(model)->crop_px, inspection->costs);
    for (size_t i = 0; i < graph->layer_count; i++)
        inspection_add(inspection, i);
    engine_memory(model_engine(model), &inspection->memory_bytes, &inspection->locked_bytes);
    return STATUS_OK;
}

static void print_head(const struct inspection *inspection)
{
    const struct model *model = inspection->model;
    const struct recipe *recipe = model_recipe(model);
    char source[512], title[256], note[512];
    terminal_clean(model_source(model), source, sizeof source);
    library_title(model, title, sizeof title);
    terminal_clean(model_note(model) ? model_note(model) : "", note, sizeof note);
    printf("model       %s, %s, %s\n", title, inspection->graph->family, model_precision(model));
    printf("source      %s\n", source);
    if (*note)
        printf("note        %s\n", note);
    printf("input       resize %" PRIu32 ", crop %" PRIu32
           ", mean %.4g %.4g %.4g, std %.4g %.4g %.4g\n",
           recipe->resize_px, recipe->crop_px, (double)recipe->mean[0], (double)recipe->mean[1],
           (double)recipe->mean[2], (double)recipe->std[0], (double)recipe->std[1],
           (double)recipe->std[2]);
    printf("classes     %" PRIu32 "\n\n", inspection->graph->classes);
}

/* What stands behind the numbers is left out where it would not fit. */
static bool has_room(const struct inspection *inspection, const struct terminal *terminal)
{
    int taken = inspection->name_columns + inspection->op_columns + NUMBER_COLUMNS;
    return !terminal->is_terminal || terminal->columns >= (unsigned)taken + EPILOGUE_COLUMNS;
}

static void print_layer(const struct inspection *inspection, const struct terminal *terminal,
                        size_t index)
{
    const struct graph_layer *layer = &inspection->graph->layers[index];
    const struct graph_layer_cost *cost = &inspection->costs[index];
    char op[64], epilogue[128] = "", shape[48], bytes[32], name[64];
    format_op(layer, op, sizeof op);
    if (has_room(inspection, terminal))
        format_epilogue(inspection->graph, layer, epilogue, sizeof epilogue);
    (void)snprintf(shape, sizeof shape, "%" PRIu32 "x%" PRIu32 "x%" PRIu32, layer->out_channels,
                   cost->out_height_px, cost->out_width_px);
    progress_format_bytes(cost->weight_bytes, bytes, sizeof bytes);
    terminal_clean(layer->name, name, sizeof name);
    printf("%-*s %-*s %12s %10" PRIu64 " %8.2f %9s%s%s%s%s\n", inspection->name_columns, name,
           inspection->op_columns, op, shape, cost->parameters, (double)cost->macs / 1e6,
           cost->weight_bytes ? bytes : "-", *epilogue ? "  " : "",
           terminal_colour(terminal, TERMINAL_DIM), epilogue,
           terminal_colour(terminal, TERMINAL_PLAIN));
}

static void print_cache(const struct packed_cache *cache)
{
    char detail[512];
    terminal_clean(cache->path ? cache->path : cache->reason, detail, sizeof detail);
    printf("cache       %s%s%s\n", packed_cache_outcome(cache), *detail ? ": " : "", detail);
}

static void print_foot(const struct inspection *inspection)
{
    char output[32], packed[32], locked[32];
    progress_format_bytes(inspection->largest_output_bytes, output, sizeof output);
    progress_format_bytes(inspection->memory_bytes, packed, sizeof packed);
    progress_format_bytes(inspection->locked_bytes, locked, sizeof locked);
    const struct kernel_set *set = engine_kernel_set(model_engine(inspection->model));
    printf("an image    %.3f GMAC, largest layer output %s\n", (double)inspection->total.macs / 1e9,
           output);
    printf("kernels     %s: %s\n", set->name, kernels_description(set));
    printf("threads     %u\n", inspection->threads);
    printf("memory      packed weights %s, %s of them locked\n", packed, locked);
    print_cache(model_packed_cache(inspection->model));
}

static void print_table(const struct inspection *inspection)
{
    struct terminal terminal = terminal_probe(stdout);
    const char *bold = terminal_colour(&terminal, TERMINAL_BOLD);
    const char *plain = terminal_colour(&terminal, TERMINAL_PLAIN);
    print_head(inspection);
    printf("%s%-*s %-*s %12s %10s %8s %9s%s%s\n", bold, inspection->name_columns, "layer",
           inspection->op_columns, "operation", "output CxHxW", "parameters", "MMAC", "weights",
           has_room(inspection, &terminal) ? "  then" : "", plain);
    for (size_t i = 0; i < inspection->graph->layer_count; i++)
        print_layer(inspection, &terminal, i);
    char weights[32];
    progress_format_bytes(inspection->total.weight_bytes, weights, sizeof weights);
    printf("%s%-*s %-*s %12s %10" PRIu64 " %8.2f %9s%s\n\n", bold, inspection->name_columns,
           "total", inspection->op_columns, "", "", inspection->total.parameters,
           (double)inspection->total.macs / 1e6, weights, plain);
    print_foot(inspection);
}

static void put_layer(struct json_doc *doc, struct json_node *into,
                      const struct inspection *inspection, size_t index)
{
    const struct graph_layer *layer = &inspection->graph->layers[index];
    const struct graph_layer_cost *cost = &inspection->costs[index];
    struct json_node *node = json_node_put_object(doc, into, NULL);
    document_put_text(doc, node, "name", layer->name);
    json_node_put_string(doc, node, "op", op_name(layer));
    if (layer->input != GRAPH_NO_LAYER)
        document_put_text(doc, node, "input", inspection->graph->layers[layer->input].name);
    if (layer->residual != GRAPH_NO_LAYER)
        document_put_text(doc, node, "residual", inspection->graph->layers[layer->residual].name);
    json_node_put_boolean(doc, node, "batch_norm", layer->bn_weight != NULL);
    json_node_put_boolean(doc, node, "relu", layer->has_relu);
    if (layer->op == GRAPH_CONV || layer->op == GRAPH_MAX_POOL) {
        json_node_put_integer(doc, node, "kernel", layer->kernel_px);
        json_node_put_integer(doc, node, "stride", layer->stride_px);
        json_node_put_integer(doc, node, "padding", layer->pad_px);
        json_node_put_integer(doc, node, "groups", layer->groups);
    }
    json_node_put_integer(doc, node, "in_channels", layer->in_channels);
    struct json_node *shape = json_node_put_array(doc, node, "output");
    json_node_put_integer(doc, shape, NULL, layer->out_channels);
    json_node_put_integer(doc, shape, NULL, cost->out_height_px);
    json_node_put_integer(doc, shape, NULL, cost->out_width_px);
    json_node_put_integer(doc, node, "parameters", (int64_t)cost->parameters);
    json_node_put_integer(doc, node, "macs", (int64_t)cost->macs);
    json_node_put_integer(doc, node, "weight_bytes", (int64_t)cost->weight_bytes);
    json_node_put_integer(doc, node, "output_bytes", (int64_t)cost->output_bytes);
}

static void put_cache(struct json_doc *doc, struct json_node *into,
                      const struct packed_cache *cache)
{
    struct json_node *node = json_node_put_object(doc, into, "cache");
    json_node_put_string(doc, node, "state", packed_cache_outcome(cache));
    if (cache->path)
        document_put_text(doc, node, "path", cache->path);
    if (*cache->reason)
        document_put_text(doc, node, "reason", cache->reason);
}

static enum status print_json(const struct inspection *inspection, struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return command_print_json(NULL, error);
    struct json_node *root = json_doc_root(doc);
    const struct recipe *recipe = model_recipe(inspection->model);
    document_put_model(doc, root, inspection->model);
    document_put_text(doc, root, "source", model_source(inspection->model));
    json_node_put_string(doc, root, "family", inspection->graph->family);
    json_node_put_integer(doc, root, "classes", inspection->graph->classes);
    json_node_put_integer(doc, root, "resize", recipe->resize_px);
    json_node_put_integer(doc, root, "crop", recipe->crop_px);
    json_node_put_integer(doc, root, "parameters", (int64_t)inspection->total.parameters);
    json_node_put_integer(doc, root, "macs", (int64_t)inspection->total.macs);
    json_node_put_integer(doc, root, "weight_bytes", (int64_t)inspection->total.weight_bytes);
    document_put_kernels(doc, root, inspection->model);
    json_node_put_integer(doc, root, "threads", inspection->threads);
    json_node_put_integer(doc, root, "packed_bytes", (int64_t)inspection->memory_bytes);
    json_node_put_integer(doc, root, "locked_bytes", (int64_t)inspection->locked_bytes);
    put_cache(doc, root, model_packed_cache(inspection->model));
    struct json_node *layers = json_node_put_array(doc, root, "layers");
    for (size_t i = 0; i < inspection->graph->layer_count; i++)
        put_layer(doc, layers, inspection, i);
    return command_print_json(doc, error);
}

static enum status inspect(const struct command_call *call, const struct model *model,
                           struct error *error)
{
    struct inspection inspection;
    enum status status = inspection_init(&inspection, model, command_threads(call), error);
    if (!status && command_flag(call, "json"))
        status = print_json(&inspection, error);
    else if (!status)
        print_table(&inspection);
    free(inspection.costs);
    return status;
}

static int run(const struct command_call *call)
{
    struct library library;
    struct model *model = NULL;
    struct error error = {0};
    const char *name = call->argument_count > 0 ? call->arguments[0] : "demo";
    enum status status = library_init(&library, call, &error);
    if (!status)
        status = library_load(&library, call, name, &model, &error);
    if (!status)
        status = inspect(call, model, &error);
    if (status)
        command_complain(call, "%s", error.text);
    model_destroy(model);
    library_fini(&library);
    return status ? COMMAND_FAILED : COMMAND_OK;
}

const struct command inspect_command = {
    .name = "inspect",
    .summary = "show a network layer by layer: shapes, parameters, work, memory",
    .description =
        "Prints each layer of a model with the shape of its output, its parameters (as torchvision "
        "counts them), its multiply-adds in millions and the bytes of its weights as float32, then "
        "the sums, the kernels that would run it and the memory of the weights once packed. BN, "
        "ReLU and the addition of another layer's output are done in the same pass as the "
        "convolution before them.\n\nWith --json, one document: {\"model\", \"source\", "
        "\"family\", "
        "\"classes\", \"resize\", \"crop\", \"parameters\", \"macs\", \"weight_bytes\", "
        "\"kernels\", "
        "\"threads\", \"packed_bytes\", \"locked_bytes\", "
        "\"cache\": {\"state\", \"path\", \"reason\"}, \"layers\": [{\"name\", \"op\", "
        "\"output\", "
        "\"parameters\", \"macs\", ...}]}.",
    .arguments =
        (const struct command_argument[]){
            {"MODEL", "a model, as classify --model takes it; demo if left out", COMMAND_HINT_MODEL,
             .is_optional = true},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            COMMAND_OPTION_JSON("print a JSON document"),
            COMMAND_OPTION_THREADS,
            COMMAND_OPTION_KERNELS,
            COMMAND_OPTION_PRECISION,
            COMMAND_OPTION_NO_CACHE,
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_END,
        },
    .exit_failed = "the model could not be loaded",
    .examples =
        (const struct command_example[]){
            {"classifyd inspect resnet50", "torchvision's ResNet-50"},
            {"classifyd inspect 'random:resnext50_32x4d'", "A network without its weight file"},
            {NULL, NULL},
        },
    .run = run,
};
