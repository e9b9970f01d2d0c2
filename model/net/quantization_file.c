#include "model/net/quantization_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

enum { VERSION = 1 };

static bool is_scale(double value)
{
    return value >= (double)QUANTIZATION_LEAST_SCALE && value <= (double)QUANTIZATION_LARGEST_SCALE;
}

static const struct graph_layer *find_conv(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->layer_count; i++)
        if (graph->layers[i].op == GRAPH_CONV && strcmp(graph->layers[i].name, name) == 0)
            return &graph->layers[i];
    return NULL;
}

/* Copies tensor quantization.<layer>.<part>; all its values pass `is_good`. */
static enum status read_values(const struct weights *weights,
                               const struct quantization_layer *layer, const char *part,
                               bool (*is_good)(double value), float **ret_values,
                               struct error *error)
{
    char name[128];
    (void)snprintf(name, sizeof name, QUANTIZATION_FILE_PREFIX "%s.%s", layer->name, part);
    const struct weights_tensor *tensor = weights_find(weights, name);
    if (!tensor)
        return error_set(error, STATUS_BAD_MODEL, "quantization: tensor %s is missing", name);
    if (tensor->type != WEIGHTS_F32 || tensor->rank != 1 || tensor->shape[0] != layer->channels)
        return error_set(error, STATUS_BAD_MODEL, "quantization: %s: expected F32 of shape [%zu]",
                         name, layer->channels);
    float *values = alloc_array(layer->channels, sizeof *values, SIZE_MAX / 2);
    if (!values)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %s", name);
    enum status status = weights_copy_f32(tensor, values, error);
    for (size_t i = 0; i < layer->channels && status == STATUS_OK; i++)
        if (!is_good((double)values[i]))
            status = error_set(error, STATUS_BAD_MODEL,
                               "quantization: %s: element %zu is %g, which no calibration gives",
                               name, i, (double)values[i]);
    if (status == STATUS_OK)
        *ret_values = values;
    else
        free(values);
    return status;
}

static bool is_bias(double value)
{
    return fabs(value) <= (double)QUANTIZATION_LARGEST_SCALE;
}

/* One of "layers": {"name", "arithmetic", "output_scale"}. */
static enum status read_layer(const struct weights *weights, const struct graph *graph,
                              const struct json_node *node, struct quantization_layer *layer,
                              struct error *error)
{
    const char *name = json_node_string(json_node_member(node, "name"));
    const char *arithmetic = json_node_string(json_node_member(node, "arithmetic"));
    double scale;
    const struct graph_layer *conv = name ? find_conv(graph, name) : NULL;
    if (!conv)
        return error_set(error, STATUS_BAD_MODEL,
                         "quantization: a layer whose name is no convolution's of this network");
    memcpy(layer->name, conv->name, sizeof layer->name);
    layer->channels = conv->out_channels;
    bool is_int8 = arithmetic && strcmp(arithmetic, "int8") == 0;
    if (!is_int8 && !(arithmetic && strcmp(arithmetic, "bf16") == 0))
        return error_set(error, STATUS_BAD_MODEL,
                         "quantization: layer %s: arithmetic is neither \"int8\" nor \"bf16\"",
                         conv->name);
    layer->arithmetic = is_int8 ? STEP_INT8 : STEP_BF16;
    if (!json_node_number(json_node_member(node, "output_scale"), &scale) || !is_scale(scale))
        return error_set(error, STATUS_BAD_MODEL,
                         "quantization: layer %s: output_scale is no number from %g to %g",
                         conv->name, (double)QUANTIZATION_LEAST_SCALE,
                         (double)QUANTIZATION_LARGEST_SCALE);
    layer->output_scale = (float)scale;
    enum status status = read_values(weights, layer, "bias", is_bias, &layer->bias, error);
    if (status == STATUS_OK && is_int8)
        status = read_values(weights, layer, "scale", is_scale, &layer->scale, error);
    return status;
}

static enum status read_layers(const struct weights *weights, const struct graph *graph,
                               const struct json_node *root, struct quantization **ret_quantization,
                               struct error *error)
{
    int64_t version;
    if (!json_node_integer(json_node_member(root, "version"), &version))
        return error_set(error, STATUS_BAD_MODEL, "quantization: no version");
    if (version != VERSION)
        return error_set(error, STATUS_UNSUPPORTED,
                         "quantization: version %lld, and this program reads %d",
                         (long long)version, VERSION);
    const struct json_node *layers = json_node_member(root, "layers");
    size_t count = json_node_count(layers);
    if (!json_node_is_array(layers) || count == 0 || count > graph->layer_count)
        return error_set(error, STATUS_BAD_MODEL,
                         "quantization: \"layers\" is no list of this network's layers");
    struct quantization *quantization = NULL;
    enum status status = quantization_create(count, &quantization, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct quantization_layer *layer = &quantization->layers[i];
        status = read_layer(weights, graph, json_node_item(layers, i), layer, error);
        if (status == STATUS_OK && quantization_find(quantization, layer->name) != layer)
            status = error_set(error, STATUS_BAD_MODEL, "quantization: layer %s is there twice",
                               layer->name);
    }
    if (status == STATUS_OK)
        *ret_quantization = quantization;
    else
        quantization_destroy(quantization);
    return status;
}

static bool is_ours(const struct weights_tensor *tensor)
{
    return strncmp(tensor->name, QUANTIZATION_FILE_PREFIX, strlen(QUANTIZATION_FILE_PREFIX)) == 0;
}

/* Whether it is a layer's scale or bias. */
static bool has_layer(const struct quantization *quantization, const struct weights_tensor *tensor)
{
    const char *rest = tensor->name + strlen(QUANTIZATION_FILE_PREFIX);
    const char *part = strrchr(rest, '.');
    for (size_t i = 0; part && i < quantization->layer_count; i++) {
        const struct quantization_layer *layer = &quantization->layers[i];
        if (strlen(layer->name) == (size_t)(part - rest) &&
            strncmp(layer->name, rest, (size_t)(part - rest)) == 0)
            return strcmp(part, ".bias") == 0 || (layer->scale && strcmp(part, ".scale") == 0);
    }
    return false;
}

static enum status check_tensors(const struct weights *weights,
                                 const struct quantization *quantization, struct error *error)
{
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weights_tensor *tensor = weights_at(weights, i);
        if (is_ours(tensor) && (!quantization || !has_layer(quantization, tensor)))
            return error_set(error, STATUS_BAD_MODEL,
                             "quantization: tensor %s belongs to no layer of the metadata",
                             tensor->name);
    }
    return STATUS_OK;
}

enum status quantization_file_read(const struct weights *weights, const struct graph *graph,
                                   struct quantization **ret_quantization, struct error *error)
{
    const char *text = weights_metadata(weights, QUANTIZATION_FILE_KEY);
    struct quantization *quantization = NULL;
    enum status status = STATUS_OK;
    if (text) {
        struct json_doc *doc = NULL;
        struct error why = {0};
        struct span span = {(const uint8_t *)text, strlen(text)};
        status = json_doc_parse(span, &doc, &why);
        if (status != STATUS_OK)
            return error_set(error, status == STATUS_BAD_REQUEST ? STATUS_BAD_MODEL : status,
                             "quantization: not a JSON object: %s", why.text);
        status = read_layers(weights, graph, json_doc_root(doc), &quantization, error);
        json_doc_destroy(doc);
    }
    if (status == STATUS_OK)
        status = check_tensors(weights, quantization, error);
    if (status == STATUS_OK)
        *ret_quantization = quantization;
    else
        quantization_destroy(quantization);
    return status;
}

void quantization_file_describe(struct json_doc *doc, struct json_node *into,
                                const struct quantization *quantization)
{
    json_node_put_integer(doc, into, "version", VERSION);
    struct json_node *layers = json_node_put_array(doc, into, "layers");
    for (size_t i = 0; i < quantization->layer_count; i++) {
        const struct quantization_layer *layer = &quantization->layers[i];
        struct json_node *node = json_node_put_object(doc, layers, NULL);
        json_node_put_string(doc, node, "name", layer->name);
        json_node_put_string(doc, node, "arithmetic",
                             layer->arithmetic == STEP_INT8 ? "int8" : "bf16");
        json_node_put_number(doc, node, "output_scale", (double)layer->output_scale);
    }
}

/* Tensors to be written, and the names that are ours. */
struct contents {
    struct weights_tensor *tensors;
    size_t count;
    char (*names)[128];
    size_t name_count;
};

static void add_values(struct contents *contents, const struct quantization_layer *layer,
                       const char *part, const float *values)
{
    if (!values)
        return;
    char *name = contents->names[contents->name_count++];
    (void)snprintf(name, sizeof *contents->names, QUANTIZATION_FILE_PREFIX "%s.%s", layer->name,
                   part);
    contents->tensors[contents->count++] = (struct weights_tensor){
        .name = name,
        .type = WEIGHTS_F32,
        .rank = 1,
        .shape = {layer->channels},
        .strides = {1},
        .count = layer->channels,
        .data = {(const uint8_t *)values, layer->channels * sizeof *values}};
}

enum status quantization_file_write(const char *path, const struct weights *weights,
                                    const struct quantization *quantization,
                                    const struct weights_save_pair *metadata, size_t metadata_count,
                                    struct error *error)
{
    size_t own = 2 * quantization->layer_count;
    struct contents contents = {.tensors = alloc_array(weights_count(weights) + own,
                                                       sizeof *contents.tensors, SIZE_MAX / 2),
                                .names = alloc_array(own, sizeof *contents.names, SIZE_MAX / 2)};
    enum status status = STATUS_OK;
    if (!contents.tensors || !contents.names)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for a list of tensors");
    for (size_t i = 0; i < weights_count(weights) && status == STATUS_OK; i++) {
        const struct weights_tensor *tensor = weights_at(weights, i);
        bool is_float = tensor->type != WEIGHTS_I64 && tensor->type != WEIGHTS_OTHER;
        if (is_float && !is_ours(tensor))
            contents.tensors[contents.count++] = *tensor;
    }
    for (size_t i = 0; i < quantization->layer_count && status == STATUS_OK; i++) {
        add_values(&contents, &quantization->layers[i], "scale", quantization->layers[i].scale);
        add_values(&contents, &quantization->layers[i], "bias", quantization->layers[i].bias);
    }
    const struct weights_save_content content = {contents.tensors, contents.count, metadata,
                                                 metadata_count};
    if (status == STATUS_OK)
        status = weights_save(path, &content, error);
    free(contents.tensors);
    free(contents.names);
    return status;
}
