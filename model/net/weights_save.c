#include "model/net/weights_save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/json_doc.h"
#include "model/base/output_file.h"

/* The tensors begin at a multiple of it: float64 may be read where it stands. */
enum { LENGTH_BYTES = 8, ALIGNMENT = 8 };

static size_t element_bytes(enum weights_type type)
{
    switch (type) {
    case WEIGHTS_F32:
        return 4;
    case WEIGHTS_F16:
    case WEIGHTS_BF16:
        return 2;
    case WEIGHTS_F64:
    case WEIGHTS_I64:
    case WEIGHTS_OTHER:
        break;
    }
    return 8;
}

static uint64_t tensor_bytes(const struct weights_tensor *tensor)
{
    return tensor->count * element_bytes(tensor->type);
}

/* The header's text, without its padding. */
static enum status format_header(const struct weights_save_content *content, char **ret_text,
                                 struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a file's header");
    struct json_node *root = json_doc_root(doc);
    struct json_node *metadata = json_node_put_object(doc, root, "__metadata__");
    for (size_t i = 0; i < content->metadata_count; i++)
        json_node_put_string(doc, metadata, content->metadata[i].key, content->metadata[i].value);
    uint64_t offset = 0;
    for (size_t i = 0; i < content->tensor_count; i++) {
        const struct weights_tensor *tensor = &content->tensors[i];
        struct json_node *node = json_node_put_object(doc, root, tensor->name);
        json_node_put_string(doc, node, "dtype", weights_type_name(tensor->type));
        struct json_node *shape = json_node_put_array(doc, node, "shape");
        for (unsigned axis = 0; axis < tensor->rank; axis++)
            json_node_put_integer(doc, shape, NULL, (int64_t)tensor->shape[axis]);
        struct json_node *offsets = json_node_put_array(doc, node, "data_offsets");
        json_node_put_integer(doc, offsets, NULL, (int64_t)offset);
        offset += tensor_bytes(tensor);
        json_node_put_integer(doc, offsets, NULL, (int64_t)offset);
    }
    enum status status = json_doc_format(doc, false, ret_text, error);
    json_doc_destroy(doc);
    return status;
}

static bool write_header(FILE *file, const char *text)
{
    size_t length = strlen(text);
    size_t padded = (LENGTH_BYTES + length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - LENGTH_BYTES;
    uint8_t bytes[LENGTH_BYTES];
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        bytes[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    bool is_good = fwrite(bytes, sizeof bytes, 1, file) == 1 && fputs(text, file) >= 0;
    for (size_t i = length; i < padded && is_good; i++)
        is_good = fputc(' ', file) != EOF;
    return is_good;
}

static bool is_dense(const struct weights_tensor *tensor)
{
    uint64_t stride = 1;
    bool is_so = true;
    for (unsigned axis = tensor->rank; axis-- > 0; stride *= tensor->shape[axis])
        is_so = is_so && (tensor->strides[axis] == stride || tensor->shape[axis] == 1);
    return is_so;
}

/* Where element `index` of the row-major order lies, in elements. */
static uint64_t place_of(const struct weights_tensor *tensor, uint64_t index)
{
    uint64_t place = 0;
    for (unsigned axis = tensor->rank; axis-- > 0; index /= tensor->shape[axis])
        place += index % tensor->shape[axis] * tensor->strides[axis];
    return place;
}

static bool write_tensor(FILE *file, const struct weights_tensor *tensor)
{
    size_t element = element_bytes(tensor->type);
    if (tensor->count == 0 || is_dense(tensor))
        return fwrite(tensor->data.data, 1, (size_t)tensor_bytes(tensor), file) ==
               tensor_bytes(tensor);
    bool is_good = true;
    for (uint64_t i = 0; i < tensor->count && is_good; i++)
        is_good = fwrite(tensor->data.data + place_of(tensor, i) * element, element, 1, file) == 1;
    return is_good;
}

enum status weights_save(const char *path, const struct weights_save_content *content,
                         struct error *error)
{
    char *header = NULL;
    struct output_file output;
    enum status status = format_header(content, &header, error);
    if (status == STATUS_OK)
        status = output_file_init(path, &output, error);
    if (status == STATUS_OK) {
        bool is_good = write_header(output.file, header);
        for (size_t i = 0; i < content->tensor_count && is_good; i++)
            is_good = write_tensor(output.file, &content->tensors[i]);
        status = output_file_finish(&output, is_good, error);
    }
    free(header);
    return status;
}
