#include "model/net/weights_safetensors.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/json_doc.h"
#include "model/net/weights_table.h"

/* ResNet-152 needs 90 KB; metadata may be large. */
enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 16 << 20 };

static const struct element {
    const char *name;
    unsigned bytes;
    enum weights_type type;
} elements[] = {
    {"F32", 4, WEIGHTS_F32},    {"F16", 2, WEIGHTS_F16},       {"BF16", 2, WEIGHTS_BF16},
    {"F64", 8, WEIGHTS_F64},    {"I64", 8, WEIGHTS_I64},       {"U64", 8, WEIGHTS_OTHER},
    {"I32", 4, WEIGHTS_OTHER},  {"U32", 4, WEIGHTS_OTHER},     {"I16", 2, WEIGHTS_OTHER},
    {"U16", 2, WEIGHTS_OTHER},  {"I8", 1, WEIGHTS_OTHER},      {"U8", 1, WEIGHTS_OTHER},
    {"BOOL", 1, WEIGHTS_OTHER}, {"F8_E4M3", 1, WEIGHTS_OTHER}, {"F8_E5M2", 1, WEIGHTS_OTHER},
    {"C64", 8, WEIGHTS_OTHER},
};

struct reader {
    struct weights *weights; /* being filled */
    struct span block;       /* the tensors' bytes */
    struct error *error;
    enum status status;
};

static const struct element *element_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof elements / sizeof *elements; i++) {
        if (strcmp(elements[i].name, name) == 0)
            return &elements[i];
    }
    return NULL;
}

/* For errors: a name as it stands in the header may hold anything. */
struct shown {
    char text[80];
};

static struct shown show(const char *text)
{
    struct shown shown = {0};
    weights_table_printable((struct span){(const uint8_t *)text, strlen(text)}, shown.text,
                            sizeof shown.text);
    return shown;
}

static bool read_unsigned(const struct json_node *node, uint64_t *ret_value)
{
    int64_t value;
    if (!json_node_integer(node, &value) || value < 0)
        return false;
    *ret_value = (uint64_t)value;
    return true;
}

static bool add_pair(void *user, const char *key, const struct json_node *value)
{
    struct reader *reader = user;
    const char *text = json_node_string(value);
    reader->status =
        text ? weights_table_add_metadata(reader->weights, key, text, reader->error)
             : error_set(reader->error, STATUS_BAD_MODEL,
                         "safetensors header: __metadata__: '%s' is not a string", show(key).text);
    return reader->status == STATUS_OK;
}

static enum status add_metadata(struct reader *reader, const struct json_node *object)
{
    if (!json_node_is_object(object))
        return error_set(reader->error, STATUS_BAD_MODEL,
                         "safetensors header: __metadata__ is not an object");
    json_node_each(object, add_pair, reader);
    return reader->status;
}

static enum status read_shape(const char *name, const struct json_node *node,
                              struct weights_tensor *tensor, struct error *error)
{
    if (!json_node_is_array(node))
        return error_set(error, STATUS_BAD_MODEL, "tensor '%s': 'shape' is not a list",
                         show(name).text);
    size_t rank = json_node_count(node);
    if (rank > WEIGHTS_MAX_RANK)
        return error_set(error, STATUS_UNSUPPORTED, "tensor '%s': %zu dimensions, %d are the limit",
                         show(name).text, rank, WEIGHTS_MAX_RANK);
    tensor->rank = (unsigned)rank;
    for (unsigned axis = 0; axis < rank; axis++) {
        if (!read_unsigned(json_node_item(node, axis), &tensor->shape[axis]))
            return error_set(error, STATUS_BAD_MODEL,
                             "tensor '%s': 'shape' holds something that is not a size",
                             show(name).text);
    }
    weights_table_set_dense_strides(tensor);
    return STATUS_OK;
}

/* The tensor's slice of the block. */
static enum status read_offsets(const char *name, const struct json_node *node, struct span block,
                                struct span *ret_data, struct error *error)
{
    uint64_t begin, end;
    if (json_node_count(node) != 2 || !read_unsigned(json_node_item(node, 0), &begin) ||
        !read_unsigned(json_node_item(node, 1), &end))
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%s': 'data_offsets' is not a pair of offsets", show(name).text);
    if (begin > end || !span_slice(block, begin, end - begin, ret_data))
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%s': bytes %llu to %llu, the file holds %zu of tensors",
                         show(name).text, (unsigned long long)begin, (unsigned long long)end,
                         block.size);
    return STATUS_OK;
}

/* The shape asks for exactly the bytes that the offsets give. */
static enum status check_size(const struct weights_tensor *tensor, unsigned element_bytes,
                              struct error *error)
{
    size_t bytes = element_bytes;
    bool fits = true;
    for (unsigned axis = 0; axis < tensor->rank; axis++)
        fits &= checked_mul(bytes, tensor->shape[axis], &bytes);
    if (fits && bytes == tensor->data.size)
        return STATUS_OK;
    return error_set(error, STATUS_BAD_MODEL,
                     "tensor '%s': shape and type do not make the %zu bytes of its offsets",
                     show(tensor->name).text, tensor->data.size);
}

static enum status add_tensor(struct reader *reader, const char *name,
                              const struct json_node *object)
{
    struct error *error = reader->error;
    if (!json_node_is_object(object))
        return error_set(error, STATUS_BAD_MODEL, "safetensors header: '%s' is not an object",
                         show(name).text);
    const char *type = json_node_string(json_node_member(object, "dtype"));
    const struct element *element = element_of(type);
    if (!element)
        return error_set(error, type ? STATUS_UNSUPPORTED : STATUS_BAD_MODEL,
                         "tensor '%s': 'dtype' is %s", show(name).text,
                         type ? show(type).text : "not a string");
    struct weights_tensor tensor = {.name = name, .type = element->type};
    enum status status = read_shape(name, json_node_member(object, "shape"), &tensor, error);
    if (status == STATUS_OK)
        status = read_offsets(name, json_node_member(object, "data_offsets"), reader->block,
                              &tensor.data, error);
    if (status == STATUS_OK)
        status = check_size(&tensor, element->bytes, error);
    if (status != STATUS_OK)
        return status;
    return weights_table_add(reader->weights, &tensor, element->bytes, error);
}

static bool add_member(void *user, const char *key, const struct json_node *value)
{
    struct reader *reader = user;
    reader->status = strcmp(key, "__metadata__") == 0 ? add_metadata(reader, value)
                                                      : add_tensor(reader, key, value);
    return reader->status == STATUS_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct weights_tensor *const *left = a, *const *right = b;
    const uint8_t *left_end = (*left)->data.data + (*left)->data.size;
    const uint8_t *right_end = (*right)->data.data + (*right)->data.size;
    if ((*left)->data.data != (*right)->data.data)
        return (*left)->data.data < (*right)->data.data ? -1 : 1;
    return left_end < right_end ? -1 : left_end > right_end;
}

/* The format asks that each byte belongs to exactly one tensor: nothing hides between them. */
static enum status check_cover(const struct reader *reader, struct error *error)
{
    size_t count = reader->weights->count;
    const struct weights_tensor **sorted =
        alloc_array(count, sizeof *sorted, WEIGHTS_TABLE_MAX_TENSORS * sizeof *sorted);
    if (!sorted)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu tensors", count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &reader->weights->tensors[i];
    qsort(sorted, count, sizeof *sorted, compare_places);
    enum status status = STATUS_OK;
    const uint8_t *next = reader->block.data;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct weights_tensor *tensor = sorted[i];
        if (tensor->data.data != next)
            status = error_set(error, STATUS_BAD_MODEL, "tensor '%s': its bytes %s", tensor->name,
                               tensor->data.data < next ? "are also another's"
                                                        : "follow a hole in the file");
        next = tensor->data.data + tensor->data.size;
    }
    free(sorted);
    size_t covered = (size_t)(next - reader->block.data);
    if (status == STATUS_OK && covered != reader->block.size)
        status =
            error_set(error, STATUS_BAD_MODEL, "%zu bytes behind the last tensor belong to none",
                      reader->block.size - covered);
    return status;
}

static enum status read_header(struct reader *reader, const struct json_node *root,
                               struct error *error)
{
    if (!json_node_is_object(root))
        return error_set(error, STATUS_BAD_MODEL, "safetensors header: is not an object");
    json_node_each(root, add_member, reader);
    enum status status = reader->status;
    if (status == STATUS_OK)
        status = check_cover(reader, error);
    if (status == STATUS_OK)
        status = weights_table_finish(reader->weights, error);
    return status;
}

enum status weights_safetensors_parse(struct span bytes, struct weights **ret_weights,
                                      struct error *error)
{
    uint64_t length;
    if (!span_read_le(bytes, 0, LENGTH_BYTES, &length))
        return error_set(error, STATUS_BAD_MODEL, "safetensors: ends inside its first 8 bytes");
    if (length > MAX_HEADER_BYTES)
        return error_set(error, STATUS_TOO_LARGE,
                         "safetensors: a header of %llu bytes, %d are the limit",
                         (unsigned long long)length, MAX_HEADER_BYTES);
    struct span header;
    if (!span_slice(bytes, LENGTH_BYTES, length, &header))
        return error_set(error, STATUS_BAD_MODEL,
                         "safetensors: a header of %llu bytes in a file of %zu",
                         (unsigned long long)length, bytes.size);
    struct json_doc *doc = NULL;
    struct reader reader = {
        .block = {header.data + header.size, bytes.size - LENGTH_BYTES - header.size},
        .error = error};
    enum status status = json_doc_parse(header, &doc, error);
    if (status != STATUS_OK) {
        error_prefix(error, "safetensors header");
        if (error && error->status == STATUS_BAD_REQUEST)
            error->status = STATUS_BAD_MODEL;
        return status == STATUS_BAD_REQUEST ? STATUS_BAD_MODEL : status;
    }
    status = weights_table_create("safetensors", &reader.weights, error);
    if (status == STATUS_OK)
        status = read_header(&reader, json_doc_root(doc), error);
    json_doc_destroy(doc);
    if (status != STATUS_OK) {
        weights_table_destroy(reader.weights);
        return status;
    }
    *ret_weights = reader.weights;
    return STATUS_OK;
}
