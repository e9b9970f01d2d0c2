#include "model/net/graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/net/architecture.h"

enum {
    MAX_STAGES = sizeof((struct graph *)0)->stage_blocks / sizeof(uint32_t),
    MAX_BLOCKS = 512, /* a stage; resnet152 has 36 */
    MAX_CHANNELS = 65536,
    MAX_LAYERS = MAX_STAGES * MAX_BLOCKS * 4 + 4,
    ANY = 0, /* in an expected shape: whatever the file has */
};

/* What is being read; the graph grows layer by layer. */
struct reader {
    const struct weights *weights;
    struct graph *graph;
    size_t layer_capacity;
    struct error *error;
};

static void format_shape(const uint64_t *shape, unsigned rank, char *ret_text, size_t size)
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (unsigned i = 0; i < rank && used < size; i++) {
        const char *before = i ? ", " : "[";
        const char *after = i + 1 == rank ? "]" : "";
        int wrote = shape[i] == ANY
                        ? snprintf(ret_text + used, size - used, "%sany%s", before, after)
                        : snprintf(ret_text + used, size - used, "%s%" PRIu64 "%s", before,
                                   shape[i], after);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

/* The tensor `name`, NULL with the error set where it is missing or its shape is another. */
static const struct weights_tensor *take(struct reader *reader, const char *name, unsigned rank,
                                         const uint64_t *shape)
{
    const struct weights_tensor *tensor = weights_find(reader->weights, name);
    char expected[128], found[128];
    format_shape(shape, rank, expected, sizeof expected);
    if (!tensor) {
        error_set(reader->error, STATUS_BAD_MODEL, "%s: missing, expected with shape %s", name,
                  expected);
        return NULL;
    }
    bool fits = tensor->rank == rank;
    for (unsigned i = 0; fits && i < rank; i++)
        fits = tensor->shape[i] > 0 && tensor->shape[i] <= MAX_CHANNELS &&
               (shape[i] == ANY || tensor->shape[i] == shape[i]);
    if (!fits) {
        format_shape(tensor->shape, tensor->rank, found, sizeof found);
        error_set(reader->error, STATUS_BAD_MODEL, "%s: shape %s found, %s expected", name, found,
                  expected);
        return NULL;
    }
    return tensor;
}

static const struct weights_tensor *take_vector(struct reader *reader, const char *prefix,
                                                const char *suffix, uint64_t length)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    return take(reader, name, 1, &length);
}

static bool has_tensor(const struct reader *reader, const char *prefix, const char *suffix)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    return weights_find(reader->weights, name) != NULL;
}

/* The BatchNorm `bn_name` behind a convolution, or the convolution's own bias where there is none.
 */
static bool take_norm(struct reader *reader, struct graph_layer *layer, const char *bn_name)
{
    bool has_bias = has_tensor(reader, layer->name, "bias");
    if (has_bias && !(layer->bias = take_vector(reader, layer->name, "bias", layer->out_channels)))
        return false;
    if (has_bias && !has_tensor(reader, bn_name, "weight"))
        return true;
    layer->bn_weight = take_vector(reader, bn_name, "weight", layer->out_channels);
    layer->bn_bias = take_vector(reader, bn_name, "bias", layer->out_channels);
    layer->bn_mean = take_vector(reader, bn_name, "running_mean", layer->out_channels);
    layer->bn_var = take_vector(reader, bn_name, "running_var", layer->out_channels);
    return layer->bn_weight && layer->bn_bias && layer->bn_mean && layer->bn_var;
}

/* A new last layer with its name and the defaults; NULL without memory. */
static struct graph_layer *append(struct reader *reader, enum graph_op op, const char *name,
                                  int input)
{
    struct graph *graph = reader->graph;
    if (graph->layer_count == reader->layer_capacity) {
        size_t capacity = reader->layer_capacity ? reader->layer_capacity * 2 : 64;
        struct graph_layer *layers =
            alloc_array(capacity, sizeof *layers, sizeof *layers * MAX_LAYERS * 2);
        if (!layers) {
            error_set(reader->error, STATUS_NO_MEMORY, "no memory for %zu layers", capacity);
            return NULL;
        }
        if (graph->layer_count)
            memcpy(layers, graph->layers, graph->layer_count * sizeof *layers);
        free(graph->layers);
        graph->layers = layers;
        reader->layer_capacity = capacity;
    }
    struct graph_layer *layer = &graph->layers[graph->layer_count++];
    *layer =
        (struct graph_layer){.op = op, .input = input, .residual = GRAPH_NO_LAYER, .groups = 1};
    snprintf(layer->name, sizeof layer->name, "%s", name);
    return layer;
}

/* What the reader expects of one convolution. */
struct conv_shape {
    const char *name, *bn_name;
    uint32_t in_channels;  /* of the input */
    uint32_t out_channels; /* ANY: as the file says */
    uint32_t kernel_px, stride_px;
    bool may_be_grouped, has_relu;
};

/* Appends a convolution that reads layer `input`. Returns its index, or GRAPH_NO_LAYER with the
 * error set. */
static int append_conv(struct reader *reader, int input, const struct conv_shape *shape)
{
    struct graph_layer *layer = append(reader, GRAPH_CONV, shape->name, input);
    if (!layer)
        return GRAPH_NO_LAYER;
    char name[96];
    snprintf(name, sizeof name, "%s.weight", shape->name);
    uint64_t expected[] = {shape->out_channels, shape->may_be_grouped ? ANY : shape->in_channels,
                           shape->kernel_px, shape->kernel_px};
    layer->weight = take(reader, name, 4, expected);
    if (!layer->weight)
        return GRAPH_NO_LAYER;
    uint64_t group_channels = layer->weight->shape[1];
    layer->in_channels = shape->in_channels;
    layer->out_channels = (uint32_t)layer->weight->shape[0];
    layer->groups = (uint32_t)(shape->in_channels / group_channels);
    layer->kernel_px = shape->kernel_px;
    layer->stride_px = shape->stride_px;
    layer->pad_px = shape->kernel_px / 2;
    layer->has_relu = shape->has_relu;
    if (shape->in_channels % group_channels || !layer->groups ||
        layer->out_channels % layer->groups) {
        error_set(reader->error, STATUS_BAD_MODEL,
                  "%s: %" PRIu64
                  " channels a group found, expected a divisor of the %u input channels that "
                  "cuts the %u output channels evenly too",
                  name, group_channels, layer->in_channels, layer->out_channels);
        return GRAPH_NO_LAYER;
    }
    if (!take_norm(reader, layer, shape->bn_name))
        return GRAPH_NO_LAYER;
    return (int)(reader->graph->layer_count - 1);
}

/* A block's place and geometry. */
struct block {
    unsigned stage, index; /* stage from 1, as in the names */
    uint32_t in_channels, stride_px;
    int input; /* layer */
};

static void block_name(const struct block *block, const char *part, char *ret_name, size_t size)
{
    snprintf(ret_name, size, "layer%u.%u.%s", block->stage, block->index, part);
}

/* The block's shortcut: its input, or the projection of it that the file holds. Returns the layer,
 * or GRAPH_NO_LAYER with the error set. */
static int append_shortcut(struct reader *reader, const struct block *block, uint32_t out_channels)
{
    char name[64], bn_name[64];
    block_name(block, "downsample.0", name, sizeof name);
    block_name(block, "downsample.1", bn_name, sizeof bn_name);
    bool is_needed =
        block->stride_px != 1 || (out_channels != ANY && block->in_channels != out_channels);
    if (!is_needed && !has_tensor(reader, name, "weight"))
        return block->input;
    return append_conv(reader, block->input,
                       &(struct conv_shape){.name = name,
                                            .bn_name = bn_name,
                                            .in_channels = block->in_channels,
                                            .out_channels = out_channels,
                                            .kernel_px = 1,
                                            .stride_px = block->stride_px});
}

/* The out channels of tensor `part` of the block, for the shortcut, which comes before it: those of
 * the block's input where a later block of a stage has no projection, else what the file has; ANY
 * where the tensor is missing or odd (its own reading tells). */
static uint32_t peek_out_channels(const struct reader *reader, const struct block *block,
                                  const char *part)
{
    char name[64], full[96];
    block_name(block, "downsample.0", name, sizeof name);
    if (block->index > 0 && !has_tensor(reader, name, "weight"))
        return block->in_channels;
    block_name(block, part, name, sizeof name);
    snprintf(full, sizeof full, "%s.weight", name);
    const struct weights_tensor *tensor = weights_find(reader->weights, full);
    return tensor && tensor->rank == 4 && tensor->shape[0] <= MAX_CHANNELS
               ? (uint32_t)tensor->shape[0]
               : ANY;
}

static int append_block(struct reader *reader, const struct block *block)
{
    bool is_bottleneck = reader->graph->is_bottleneck;
    const char *const convs[] = {"conv1", "conv2", "conv3"};
    const char *const norms[] = {"bn1", "bn2", "bn3"};
    unsigned count = is_bottleneck ? 3 : 2;
    uint32_t out_channels = peek_out_channels(reader, block, convs[count - 1]);
    int shortcut = append_shortcut(reader, block, out_channels);
    int last = block->input;
    uint32_t channels = block->in_channels;
    for (unsigned i = 0; i < count && shortcut != GRAPH_NO_LAYER && last != GRAPH_NO_LAYER; i++) {
        char name[64], bn_name[64];
        block_name(block, convs[i], name, sizeof name);
        block_name(block, norms[i], bn_name, sizeof bn_name);
        bool is_strided = i == (is_bottleneck ? 1 : 0);
        last = append_conv(reader, last,
                           &(struct conv_shape){.name = name,
                                                .bn_name = bn_name,
                                                .in_channels = channels,
                                                .out_channels = i + 1 == count ? out_channels : ANY,
                                                .kernel_px = is_bottleneck && i != 1 ? 1 : 3,
                                                .stride_px = is_strided ? block->stride_px : 1,
                                                .may_be_grouped = is_bottleneck && i == 1,
                                                .has_relu = true});
        if (last != GRAPH_NO_LAYER)
            channels = reader->graph->layers[last].out_channels;
    }
    if (shortcut == GRAPH_NO_LAYER || last == GRAPH_NO_LAYER)
        return GRAPH_NO_LAYER;
    reader->graph->layers[last].residual = shortcut;
    return last;
}

/* Counts the blocks of stage `stage` (from 1) by the names of their first convolutions. */
static uint32_t count_blocks(const struct weights *weights, unsigned stage)
{
    uint32_t count = 0;
    char name[64];
    do
        snprintf(name, sizeof name, "layer%u.%u.conv1.weight", stage, count);
    while (weights_find(weights, name) && ++count < MAX_BLOCKS);
    return count;
}

static int append_stages(struct reader *reader, int input, uint32_t channels)
{
    struct graph *graph = reader->graph;
    graph->is_bottleneck = has_tensor(reader, "layer1.0.conv3", "weight");
    for (unsigned stage = 0; stage < MAX_STAGES; stage++) {
        graph->stage_blocks[stage] = count_blocks(reader->weights, stage + 1);
        if (graph->stage_blocks[stage] == 0)
            break;
        graph->stage_count++;
        for (unsigned i = 0; i < graph->stage_blocks[stage]; i++) {
            const struct block block = {.stage = stage + 1,
                                        .index = i,
                                        .in_channels = channels,
                                        .stride_px = stage > 0 && i == 0 ? 2 : 1,
                                        .input = input};
            input = append_block(reader, &block);
            if (input == GRAPH_NO_LAYER)
                return GRAPH_NO_LAYER;
            channels = graph->layers[input].out_channels;
        }
    }
    return input;
}

static bool append_pool(struct reader *reader, enum graph_op op, const char *name, int input)
{
    struct graph_layer *layer = append(reader, op, name, input);
    if (!layer)
        return false;
    layer->in_channels = layer->out_channels = reader->graph->layers[input].out_channels;
    if (op == GRAPH_MAX_POOL) {
        layer->kernel_px = 3;
        layer->stride_px = 2;
        layer->pad_px = 1;
    }
    return true;
}

static bool append_head(struct reader *reader, int input)
{
    if (!append_pool(reader, GRAPH_AVERAGE_POOL, "avgpool", input))
        return false;
    uint32_t features = reader->graph->layers[input].out_channels;
    struct graph_layer *layer = append(reader, GRAPH_LINEAR, "fc", input + 1);
    if (!layer)
        return false;
    layer->weight = take(reader, "fc.weight", 2, (const uint64_t[]){ANY, features});
    if (!layer->weight)
        return false;
    layer->in_channels = features;
    layer->out_channels = reader->graph->classes = (uint32_t)layer->weight->shape[0];
    layer->bias = take_vector(reader, "fc", "bias", layer->out_channels);
    return layer->bias != NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_layer_tensor(const struct graph_layer *layer, const struct weights_tensor *tensor)
{
    return tensor == layer->weight || tensor == layer->bias || tensor == layer->bn_weight ||
           tensor == layer->bn_bias || tensor == layer->bn_mean || tensor == layer->bn_var;
}

/* A tensor that no layer took means that the file holds another network than the one we built. */
static enum status check_nothing_left(const struct reader *reader)
{
    static const char calibration[] = "quantization."; /* see quantization_file.h */
    const struct graph *graph = reader->graph;
    for (size_t i = 0; i < weights_count(reader->weights); i++) {
        const struct weights_tensor *tensor = weights_at(reader->weights, i);
        bool is_known = ends_with(tensor->name, ".num_batches_tracked") ||
                        strncmp(tensor->name, calibration, strlen(calibration)) == 0;
        for (size_t l = 0; l < graph->layer_count && !is_known; l++)
            is_known = is_layer_tensor(&graph->layers[l], tensor);
        char shape[128];
        format_shape(tensor->shape, tensor->rank, shape, sizeof shape);
        if (!is_known)
            return error_set(reader->error, STATUS_BAD_MODEL,
                             "%s: shape %s found, but no layer of a torchvision ResNet (%s) has a "
                             "tensor of that "
                             "name",
                             tensor->name, shape, graph->family);
    }
    return STATUS_OK;
}

static bool is_architecture(const struct graph *graph, const struct architecture *architecture)
{
    const struct graph_layer *conv2 = NULL;
    for (size_t i = 0; i < graph->layer_count; i++)
        if (strcmp(graph->layers[i].name, "layer1.0.conv2") == 0)
            conv2 = &graph->layers[i];
    uint32_t groups = conv2 ? conv2->groups : 1;
    uint32_t width = conv2 && graph->is_bottleneck ? conv2->out_channels / groups : 64;
    bool fits = graph->stage_count == ARCHITECTURE_STAGES &&
                graph->is_bottleneck == architecture->is_bottleneck &&
                groups == architecture->groups && width == architecture->width_per_group &&
                graph->layers[0].out_channels == 64;
    for (unsigned i = 0; fits && i < ARCHITECTURE_STAGES; i++)
        fits = graph->stage_blocks[i] == architecture->blocks[i];
    return fits;
}

static void name_family(struct graph *graph)
{
    for (size_t i = 0; i < architecture_count(); i++) {
        if (is_architecture(graph, architecture_at(i))) {
            snprintf(graph->family, sizeof graph->family, "%s", architecture_at(i)->name);
            return;
        }
    }
    size_t used = (size_t)snprintf(graph->family, sizeof graph->family, "resnet %s",
                                   graph->is_bottleneck ? "bottleneck" : "basic");
    for (unsigned i = 0; i < graph->stage_count && used < sizeof graph->family; i++)
        used += (size_t)snprintf(graph->family + used, sizeof graph->family - used, "%c%u",
                                 i ? '-' : ' ', graph->stage_blocks[i]);
}

static enum status read_network(struct reader *reader)
{
    if (!has_tensor(reader, "conv1", "weight") || !has_tensor(reader, "layer1.0.conv1", "weight"))
        return error_set(reader->error, STATUS_UNSUPPORTED,
                         "not a torchvision ResNet: no tensor %s among the %zu of the file",
                         has_tensor(reader, "conv1", "weight") ? "layer1.0.conv1.weight"
                                                               : "conv1.weight",
                         weights_count(reader->weights));
    int last = append_conv(reader, GRAPH_NO_LAYER,
                           &(struct conv_shape){.name = "conv1",
                                                .bn_name = "bn1",
                                                .in_channels = 3,
                                                .kernel_px = 7,
                                                .stride_px = 2,
                                                .has_relu = true});
    if (last == GRAPH_NO_LAYER || !append_pool(reader, GRAPH_MAX_POOL, "maxpool", last))
        return reader->error->status;
    uint32_t stem_channels = reader->graph->layers[last].out_channels;
    last = append_stages(reader, last + 1, stem_channels);
    if (last == GRAPH_NO_LAYER || !append_head(reader, last))
        return reader->error->status;
    name_family(reader->graph);
    return check_nothing_left(reader);
}

enum status graph_create(const struct weights *weights, struct graph **ret_graph,
                         struct error *error)
{
    struct graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a network's description");
    struct error why = {0};
    struct reader reader = {.weights = weights, .graph = graph, .error = &why};
    enum status status = read_network(&reader);
    if (status != STATUS_OK) {
        graph_destroy(graph);
        return error_set(error, status, "%s", why.text);
    }
    *ret_graph = graph;
    return STATUS_OK;
}

void graph_destroy(struct graph *graph)
{
    if (!graph)
        return;
    free(graph->layers);
    free(graph);
}

uint32_t graph_out_px(const struct graph_layer *layer, uint32_t in_px)
{
    if (layer->op == GRAPH_AVERAGE_POOL || layer->op == GRAPH_LINEAR)
        return in_px ? 1 : 0;
    uint32_t padded_px = in_px + 2 * layer->pad_px;
    return in_px && padded_px >= layer->kernel_px
               ? (padded_px - layer->kernel_px) / layer->stride_px + 1
               : 0;
}

static uint64_t count_of(const struct weights_tensor *tensor)
{
    return tensor ? tensor->count : 0;
}

void graph_costs(const struct graph *graph, uint32_t input_px, struct graph_layer_cost *ret_costs)
{
    for (size_t i = 0; i < graph->layer_count; i++) {
        const struct graph_layer *layer = &graph->layers[i];
        uint32_t in_px =
            layer->input == GRAPH_NO_LAYER ? input_px : ret_costs[layer->input].out_height_px;
        uint32_t out_px = graph_out_px(layer, in_px);
        uint64_t pixels = (uint64_t)out_px * out_px;
        uint64_t parameters = count_of(layer->weight) + count_of(layer->bias) +
                              count_of(layer->bn_weight) + count_of(layer->bn_bias);
        ret_costs[i] = (struct graph_layer_cost){
            .out_height_px = out_px,
            .out_width_px = out_px,
            .parameters = parameters,
            .macs = pixels * count_of(layer->weight),
            .weight_bytes = parameters * sizeof(float),
            .output_bytes = pixels * layer->out_channels * sizeof(float),
        };
    }
}
