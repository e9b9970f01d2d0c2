#include "model/net/weights_legacy.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/net/weights_state_dict.h"
#include "model/net/weights_table.h"

enum { PROTOCOL_VERSION = 1001, COUNT_BYTES = 8 };

/* 0x1950a86a20f9469cfc6c as the pickle has it. */
static const uint8_t magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

struct storage {
    struct span key;
    unsigned element_bytes;
    size_t bytes;
    struct span data; /* NULL until found in the file */
};

struct reader {
    struct span bytes;
    uint64_t at;
    struct storage *storages; /* sorted by key */
    size_t count;
    struct error *error;
};

/* For errors. */
struct shown {
    char text[40];
};

static struct shown show(struct span key)
{
    struct shown shown = {0};
    weights_table_printable(key, shown.text, sizeof shown.text);
    return shown;
}

static int compare_storages(const void *a, const void *b)
{
    const struct storage *left = a, *right = b;
    size_t shorter = left->key.size < right->key.size ? left->key.size : right->key.size;
    int order = shorter ? memcmp(left->key.data, right->key.data, shorter) : 0;
    if (order != 0)
        return order;
    return left->key.size < right->key.size ? -1 : left->key.size > right->key.size;
}

static enum status next_pickle(struct reader *reader, struct weights_pickle **ret_pickle)
{
    enum status status =
        weights_pickle_parse(reader->bytes, reader->at, "", ret_pickle, reader->error);
    if (status == STATUS_OK)
        reader->at = weights_pickle_end(*ret_pickle);
    return status;
}

/* The three pickles before the objects. */
static bool is_magic(const struct weights_pickle *pickle)
{
    const struct weights_pickle_value *root = weights_pickle_root(pickle);
    return root->kind == WEIGHTS_PICKLE_LONG && root->text.size == sizeof magic &&
           memcmp(root->text.data, magic, sizeof magic) == 0;
}

static bool is_version(const struct weights_pickle *pickle)
{
    const struct weights_pickle_value *root = weights_pickle_root(pickle);
    return root->kind == WEIGHTS_PICKLE_INTEGER && root->integer == PROTOCOL_VERSION;
}

static bool is_little_endian(const struct weights_pickle *pickle)
{
    const struct weights_pickle_value *value =
        weights_pickle_member(pickle, weights_pickle_root(pickle), "little_endian");
    return value && value->kind == WEIGHTS_PICKLE_BOOLEAN && value->integer;
}

static enum status read_prologue(struct reader *reader)
{
    static const struct {
        bool (*is_right)(const struct weights_pickle *pickle);
        enum status status;
        const char *why;
    } parts[] = {
        {is_magic, STATUS_BAD_MODEL, "a pickle, but not one that torch.save wrote"},
        {is_version, STATUS_UNSUPPORTED, "PyTorch's old form, but not version 1001"},
        {is_little_endian, STATUS_UNSUPPORTED, "was not written on a little-endian machine"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct weights_pickle *pickle;
        enum status status = next_pickle(reader, &pickle);
        if (status != STATUS_OK)
            return status;
        bool is_right = parts[i].is_right(pickle);
        weights_pickle_destroy(pickle);
        if (!is_right)
            return error_set(reader->error, parts[i].status, "%s", parts[i].why);
    }
    return STATUS_OK;
}

/* Lists each storage that the objects name once. */
static enum status list_storages(struct reader *reader, const struct weights_pickle *objects)
{
    size_t count = 0, unique = 0;
    const struct weights_pickle_value *value;
    for (size_t i = 0; (value = weights_pickle_at(objects, i)); i++)
        count += value->kind == WEIGHTS_PICKLE_STORAGE;
    reader->storages = alloc_array(count, sizeof *reader->storages, SIZE_MAX);
    if (!reader->storages)
        return error_set(reader->error, STATUS_NO_MEMORY, "no memory for %zu storages", count);
    for (size_t i = 0; (value = weights_pickle_at(objects, i)); i++) {
        if (value->kind != WEIGHTS_PICKLE_STORAGE)
            continue;
        struct storage *storage = &reader->storages[reader->count++];
        storage->key = weights_pickle_item(objects, value, 2)->text;
        if (!weights_state_dict_storage_size(objects, value, &storage->element_bytes,
                                             &storage->bytes))
            return error_set(reader->error, STATUS_BAD_MODEL, "storage '%s': a size that overflows",
                             show(storage->key).text);
    }
    qsort(reader->storages, count, sizeof *reader->storages, compare_storages);
    for (size_t i = 0; i < count; i++) {
        struct storage *last = &reader->storages[unique ? unique - 1 : 0],
                       *next = &reader->storages[i];
        if (unique == 0 || compare_storages(last, next) != 0)
            reader->storages[unique++] = *next;
        else if (last->bytes != next->bytes || last->element_bytes != next->element_bytes)
            return error_set(reader->error, STATUS_BAD_MODEL,
                             "storage '%s': named with two sizes or types", show(last->key).text);
    }
    reader->count = unique;
    return STATUS_OK;
}

static struct storage *find_storage(const struct reader *reader, struct span key)
{
    struct storage wanted = {.key = key};
    return reader->count ? bsearch(&wanted, reader->storages, reader->count,
                                   sizeof *reader->storages, compare_storages)
                         : NULL;
}

static enum status read_storage(struct reader *reader, const struct weights_pickle_value *key)
{
    if (key->kind != WEIGHTS_PICKLE_TEXT)
        return error_set(reader->error, STATUS_BAD_MODEL,
                         "the list of storages holds something that is not a key");
    struct storage *storage = find_storage(reader, key->text);
    if (!storage || storage->data.data)
        return error_set(reader->error, STATUS_BAD_MODEL, "storage '%s': %s", show(key->text).text,
                         storage ? "is there twice" : "stands in the file but in no object");
    uint64_t count;
    size_t size;
    if (!span_read_le(reader->bytes, reader->at, COUNT_BYTES, &count) ||
        !checked_mul(count, storage->element_bytes, &size) || size != storage->bytes ||
        !span_slice(reader->bytes, reader->at + COUNT_BYTES, size, &storage->data))
        return error_set(reader->error, STATUS_BAD_MODEL,
                         "storage '%s': %zu bytes are wanted, which byte %llu does not begin",
                         show(key->text).text, storage->bytes, (unsigned long long)reader->at);
    reader->at += COUNT_BYTES + size;
    return STATUS_OK;
}

/* The keys in the order of their bytes, and the bytes. */
static enum status read_storages(struct reader *reader)
{
    struct weights_pickle *keys;
    enum status status = next_pickle(reader, &keys);
    if (status != STATUS_OK)
        return status;
    const struct weights_pickle_value *list = weights_pickle_root(keys), *key;
    uint32_t cursor = 0;
    if (list->kind != WEIGHTS_PICKLE_LIST)
        status = error_set(reader->error, STATUS_BAD_MODEL, "the storages' keys are not a list");
    while (status == STATUS_OK && (key = weights_pickle_next(keys, list, &cursor)))
        status = read_storage(reader, key);
    weights_pickle_destroy(keys);
    return status;
}

/* (key, offset, count): a part of a storage. False where it is none. */
static bool slice_view(const struct weights_pickle *pickle, const struct weights_pickle_value *view,
                       unsigned element_bytes, struct span *bytes)
{
    const struct weights_pickle_value *offset, *count;
    size_t offset_bytes, size;
    if (view->kind != WEIGHTS_PICKLE_TUPLE || view->count != 3)
        return false;
    offset = weights_pickle_item(pickle, view, 1);
    count = weights_pickle_item(pickle, view, 2);
    return offset->kind == WEIGHTS_PICKLE_INTEGER && offset->integer >= 0 &&
           count->kind == WEIGHTS_PICKLE_INTEGER && count->integer >= 0 &&
           checked_mul((size_t)offset->integer, element_bytes, &offset_bytes) &&
           checked_mul((size_t)count->integer, element_bytes, &size) &&
           span_slice(*bytes, offset_bytes, size, bytes);
}

static enum status find_bytes(const void *user, const struct weights_pickle *pickle,
                              const struct weights_pickle_value *value, struct span *ret_bytes,
                              struct error *error)
{
    const struct reader *reader = user;
    struct span key = weights_pickle_item(pickle, value, 2)->text;
    const struct storage *storage = find_storage(reader, key);
    if (!storage || !storage->data.data)
        return error_set(error, STATUS_BAD_MODEL, "its storage '%s' is not in the file",
                         show(key).text);
    struct span bytes = storage->data;
    const struct weights_pickle_value *view = weights_pickle_item(pickle, value, 5);
    if (view && view->kind != WEIGHTS_PICKLE_NONE &&
        !slice_view(pickle, view, storage->element_bytes, &bytes))
        return error_set(error, STATUS_BAD_MODEL, "its view of storage '%s' reaches outside",
                         show(key).text);
    *ret_bytes = bytes;
    return STATUS_OK;
}

enum status weights_legacy_read(struct span bytes, struct weights *weights, struct error *error)
{
    struct reader reader = {.bytes = bytes, .error = error};
    struct weights_pickle *objects = NULL;
    enum status status = read_prologue(&reader);
    if (status == STATUS_OK)
        status = next_pickle(&reader, &objects);
    if (status == STATUS_OK)
        status = list_storages(&reader, objects);
    if (status == STATUS_OK)
        status = read_storages(&reader);
    struct weights_state_dict_storages storages = {find_bytes, &reader};
    if (status == STATUS_OK)
        status = weights_state_dict_read(objects, &storages, weights, error);
    weights_pickle_destroy(objects);
    free(reader.storages);
    return status;
}
