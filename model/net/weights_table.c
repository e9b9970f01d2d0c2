#include "model/net/weights_table.h"

#include <stdlib.h>

#include "model/base/alloc.h"

enum { MAX_METADATA_BYTES = 16 << 20 };

static const char module_prefix[] = "module.";

enum status weights_table_create(const char *format, struct weights **ret_weights,
                                 struct error *error)
{
    struct weights *weights = calloc(1, sizeof *weights);
    if (!weights)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a table of tensors");
    weights->format = format;
    *ret_weights = weights;
    return STATUS_OK;
}

void weights_table_destroy(struct weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->count; i++)
        free((char *)(uintptr_t)weights->tensors[i].name);
    for (size_t i = 0; i < weights->metadata_count; i++) {
        free(weights->metadata[i].key);
        free(weights->metadata[i].value);
    }
    free(weights->tensors);
    free(weights->by_name);
    free(weights->metadata);
    free(weights->values);
    mapped_file_fini(&weights->file);
    free(weights);
}

const char *weights_table_printable(struct span text, char *ret_text, size_t size)
{
    size_t length = text.size < size - 1 ? text.size : size - 1;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = text.data[i];
        ret_text[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    ret_text[length] = 0;
    return ret_text;
}

void weights_table_set_dense_strides(struct weights_tensor *tensor)
{
    uint64_t stride = 1;
    for (unsigned axis = tensor->rank; axis-- > 0;) {
        tensor->strides[axis] = stride;
        /* A product that wraps belongs to a shape that weights_table_add refuses. */
        stride *= tensor->shape[axis];
    }
}

/* Where the name goes into an error or a terminal it must do no harm there. */
static enum status check_name(const char *name, struct error *error)
{
    char shown[WEIGHTS_TABLE_MAX_NAME_BYTES];
    struct span text = {(const uint8_t *)name, strlen(name)};
    weights_table_printable(text, shown, sizeof shown);
    if (text.size == 0)
        return error_set(error, STATUS_BAD_MODEL, "a tensor has an empty name");
    if (text.size >= WEIGHTS_TABLE_MAX_NAME_BYTES)
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%.60s...': the name has %zu bytes, %d are the limit", shown,
                         text.size, WEIGHTS_TABLE_MAX_NAME_BYTES - 1);
    if (strcmp(shown, name) != 0)
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%s': the name holds characters that are not printable ASCII",
                         shown);
    return STATUS_OK;
}

/* The number of elements, and that the last of them lies inside the data. */
static enum status check_extent(const struct weights_tensor *tensor, size_t element_bytes,
                                uint64_t *ret_count, struct error *error)
{
    uint64_t count = 1, last = 0;
    bool fits = true, is_empty = false;
    for (unsigned axis = 0; axis < tensor->rank; axis++) {
        uint64_t reach = 0;
        is_empty |= tensor->shape[axis] == 0;
        fits &= checked_mul(count, tensor->shape[axis], &count);
        if (tensor->shape[axis] > 1)
            fits &= checked_mul(tensor->shape[axis] - 1, tensor->strides[axis], &reach) &&
                    checked_add(last, reach, &last);
    }
    uint64_t room = tensor->data.size / element_bytes;
    if (!fits || (!is_empty && last >= room))
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%s': its elements reach outside their storage of %zu bytes",
                         tensor->name, tensor->data.size);
    /* Else a few bytes could ask for any amount of memory when they are copied. */
    if (count > room)
        return error_set(error, STATUS_UNSUPPORTED,
                         "tensor '%s': an expanded view, %llu elements that share %llu in storage",
                         tensor->name, (unsigned long long)count, (unsigned long long)room);
    *ret_count = count;
    return STATUS_OK;
}

static enum status reserve(struct weights *weights, struct error *error)
{
    if (weights->count < weights->capacity)
        return STATUS_OK;
    if (weights->count == WEIGHTS_TABLE_MAX_TENSORS)
        return error_set(error, STATUS_TOO_LARGE, "more than %d tensors",
                         WEIGHTS_TABLE_MAX_TENSORS);
    size_t capacity = weights->capacity ? weights->capacity * 2 : 64;
    struct weights_tensor *grown = realloc(weights->tensors, capacity * sizeof *grown);
    if (!grown)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu tensors", capacity);
    weights->tensors = grown;
    weights->capacity = capacity;
    return STATUS_OK;
}

enum status weights_table_add(struct weights *weights, const struct weights_tensor *tensor,
                              size_t element_bytes, struct error *error)
{
    struct weights_tensor added = *tensor;
    while (strncmp(added.name, module_prefix, sizeof module_prefix - 1) == 0)
        added.name += sizeof module_prefix - 1;
    enum status status = check_name(added.name, error);
    if (status != STATUS_OK)
        return status;
    if (added.rank > WEIGHTS_MAX_RANK)
        return error_set(error, STATUS_UNSUPPORTED, "tensor '%s': %u dimensions, %d are the limit",
                         added.name, added.rank, WEIGHTS_MAX_RANK);
    status = check_extent(&added, element_bytes, &added.count, error);
    if (status == STATUS_OK)
        status = reserve(weights, error);
    if (status != STATUS_OK)
        return status;
    added.name = alloc_string(added.name, WEIGHTS_TABLE_MAX_NAME_BYTES);
    if (!added.name)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a tensor's name");
    weights->tensors[weights->count++] = added;
    return STATUS_OK;
}

enum status weights_table_add_metadata(struct weights *weights, const char *key, const char *value,
                                       struct error *error)
{
    struct weights_table_pair *grown =
        realloc(weights->metadata, (weights->metadata_count + 1) * sizeof *grown);
    if (!grown)
        return error_set(error, STATUS_NO_MEMORY, "no memory for metadata");
    weights->metadata = grown;
    struct weights_table_pair pair = {alloc_string(key, MAX_METADATA_BYTES),
                                      alloc_string(value, MAX_METADATA_BYTES)};
    if (!pair.key || !pair.value) {
        free(pair.key);
        free(pair.value);
        return error_set(error, STATUS_NO_MEMORY, "no memory for metadata");
    }
    weights->metadata[weights->metadata_count++] = pair;
    return STATUS_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct weights_tensor *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

enum status weights_table_finish(struct weights *weights, struct error *error)
{
    if (weights->count == 0)
        return error_set(error, STATUS_BAD_MODEL, "holds no tensors");
    weights->by_name = calloc(weights->count, sizeof(const struct weights_tensor *));
    if (!weights->by_name)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu tensors", weights->count);
    for (size_t i = 0; i < weights->count; i++)
        weights->by_name[i] = &weights->tensors[i];
    qsort(weights->by_name, weights->count, sizeof *weights->by_name, compare_names);
    for (size_t i = 1; i < weights->count; i++) {
        const char *name = weights->by_name[i]->name;
        if (strcmp(weights->by_name[i - 1]->name, name) == 0)
            return error_set(error, STATUS_BAD_MODEL, "tensor '%s' is there twice", name);
    }
    return STATUS_OK;
}
