#include "model/net/weights_state_dict.h"

#include "model/base/alloc.h"
#include "model/net/weights_table.h"

/* What training scripts call the state dict in a checkpoint. */
static const char *const wrappers[] = {"state_dict", "model"};

bool weights_state_dict_storage_size(const struct weights_pickle *pickle,
                                     const struct weights_pickle_value *storage,
                                     unsigned *ret_element_bytes, size_t *ret_bytes)
{
    const struct weights_pickle_value *type = weights_pickle_item(pickle, storage, 1);
    const struct weights_pickle_value *count = weights_pickle_item(pickle, storage, 4);
    if (!checked_mul((size_t)count->integer, type->global->element_bytes, ret_bytes))
        return false;
    *ret_element_bytes = type->global->element_bytes;
    return true;
}

static bool read_unsigned(const struct weights_pickle_value *value, uint64_t *ret_number)
{
    if (!value || value->kind != WEIGHTS_PICKLE_INTEGER || value->integer < 0)
        return false;
    *ret_number = (uint64_t)value->integer;
    return true;
}

/* A tuple of `rank` sizes or strides. */
static bool read_numbers(const struct weights_pickle *pickle,
                         const struct weights_pickle_value *tuple, unsigned rank,
                         uint64_t *ret_numbers)
{
    if (tuple->kind != WEIGHTS_PICKLE_TUPLE || tuple->count != rank)
        return false;
    uint32_t cursor = 0;
    for (unsigned axis = 0; axis < rank; axis++) {
        if (!read_unsigned(weights_pickle_next(pickle, tuple, &cursor), &ret_numbers[axis]))
            return false;
    }
    return true;
}

/* `tensor` has its name. */
static enum status read_tensor(const struct weights_pickle *pickle,
                               const struct weights_state_dict_storages *storages,
                               const struct weights_pickle_value *value,
                               struct weights_tensor *tensor, unsigned *ret_element_bytes,
                               struct error *error)
{
    const struct weights_pickle_value *storage = weights_pickle_item(pickle, value, 0);
    const struct weights_pickle_value *size = weights_pickle_item(pickle, value, 2);
    if (size->count > WEIGHTS_MAX_RANK)
        return error_set(error, STATUS_UNSUPPORTED, "tensor '%s': %u dimensions, %d are the limit",
                         tensor->name, size->count, WEIGHTS_MAX_RANK);
    uint64_t offset;
    tensor->rank = size->count;
    if (!read_unsigned(weights_pickle_item(pickle, value, 1), &offset) ||
        !read_numbers(pickle, size, tensor->rank, tensor->shape) ||
        !read_numbers(pickle, weights_pickle_item(pickle, value, 3), tensor->rank, tensor->strides))
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%s': offset, sizes and strides are not numbers that fit",
                         tensor->name);
    struct span bytes;
    enum status status = storages->find(storages->user, pickle, storage, &bytes, error);
    if (status != STATUS_OK) {
        error_prefix(error, "tensor '%s'", tensor->name);
        return status;
    }
    const struct weights_pickle_global *type = weights_pickle_item(pickle, storage, 1)->global;
    size_t offset_bytes;
    if (!checked_mul(offset, type->element_bytes, &offset_bytes) || offset_bytes > bytes.size)
        return error_set(error, STATUS_BAD_MODEL,
                         "tensor '%s': begins at element %llu of a storage of %zu bytes",
                         tensor->name, (unsigned long long)offset, bytes.size);
    tensor->type = type->type;
    tensor->data = (struct span){bytes.data + offset_bytes, bytes.size - offset_bytes};
    *ret_element_bytes = type->element_bytes;
    return STATUS_OK;
}

static enum status add_tensor(const struct weights_pickle *pickle,
                              const struct weights_state_dict_storages *storages,
                              const struct weights_pickle_value *key,
                              const struct weights_pickle_value *value, struct weights *weights,
                              struct error *error)
{
    char name[2 * WEIGHTS_TABLE_MAX_NAME_BYTES];
    if (key->kind != WEIGHTS_PICKLE_TEXT || key->text.size >= sizeof name ||
        (key->text.size && memchr(key->text.data, 0, key->text.size)))
        return error_set(error, STATUS_BAD_MODEL,
                         "state dict: the key of tensor %zu is not a name of less than %zu bytes",
                         weights_count(weights), sizeof name);
    memcpy(name, key->text.data, key->text.size);
    name[key->text.size] = 0;
    char shown[WEIGHTS_TABLE_MAX_NAME_BYTES];
    struct weights_tensor tensor = {.name =
                                        weights_table_printable(key->text, shown, sizeof shown)};
    unsigned element_bytes = 0;
    enum status status = read_tensor(pickle, storages, value, &tensor, &element_bytes, error);
    if (status != STATUS_OK)
        return status;
    tensor.name = name;
    return weights_table_add(weights, &tensor, element_bytes, error);
}

/* The dict that holds the tensors, NULL where there is none. */
static const struct weights_pickle_value *find_dict(const struct weights_pickle *pickle)
{
    const struct weights_pickle_value *root = weights_pickle_root(pickle);
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        const struct weights_pickle_value *inner = weights_pickle_member(pickle, root, wrappers[i]);
        if (inner && inner->kind == WEIGHTS_PICKLE_DICT)
            return inner;
    }
    return root->kind == WEIGHTS_PICKLE_DICT ? root : NULL;
}

enum status weights_state_dict_read(const struct weights_pickle *pickle,
                                    const struct weights_state_dict_storages *storages,
                                    struct weights *weights, struct error *error)
{
    const struct weights_pickle_value *dict = find_dict(pickle), *key, *value;
    if (!dict)
        return error_set(error, STATUS_BAD_MODEL, "the pickle holds no dict of tensors");
    uint32_t cursor = 0;
    while ((key = weights_pickle_next(pickle, dict, &cursor)) &&
           (value = weights_pickle_next(pickle, dict, &cursor))) {
        if (value->kind != WEIGHTS_PICKLE_TENSOR)
            continue;
        enum status status = add_tensor(pickle, storages, key, value, weights, error);
        if (status != STATUS_OK)
            return status;
    }
    if (weights_count(weights) == 0)
        return error_set(error, STATUS_BAD_MODEL,
                         "no tensors in the pickle's dict, nor in one under 'state_dict' or "
                         "'model'; save model.state_dict() alone");
    return weights_table_finish(weights, error);
}
