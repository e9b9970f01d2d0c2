#include "server/blob.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct blob {
    atomic_uint references;
    struct budget *budget;
    uint8_t *data;
    size_t size, capacity;
};

enum { FIRST_CAPACITY_BYTES = 16 << 10 };

enum status blob_create(struct budget *budget, size_t capacity_bytes, struct blob **ret_blob,
                        struct error *error)
{
    if (!budget_charge(budget, capacity_bytes))
        return error_set(error, STATUS_OVERLOADED,
                         "%zu bytes are more than the server can hold now; try again",
                         capacity_bytes);
    struct blob *blob = calloc(1, sizeof *blob);
    uint8_t *data = malloc(capacity_bytes > 0 ? capacity_bytes : 1);
    if (!blob || !data) {
        free(data);
        free(blob);
        budget_release(budget, capacity_bytes);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu bytes", capacity_bytes);
    }
    blob->budget = budget;
    blob->data = data;
    blob->capacity = capacity_bytes;
    atomic_init(&blob->references, 1);
    *ret_blob = blob;
    return STATUS_OK;
}

/* `size` (<= limit_bytes) has to fit. */
static enum status reserve(struct blob *blob, size_t size, size_t limit_bytes, struct error *error)
{
    if (size <= blob->capacity)
        return STATUS_OK;
    size_t capacity = blob->capacity > FIRST_CAPACITY_BYTES ? blob->capacity : FIRST_CAPACITY_BYTES;
    while (capacity < size)
        capacity = capacity > limit_bytes / 2 ? limit_bytes : capacity * 2;
    if (capacity > limit_bytes)
        capacity = limit_bytes;
    size_t more = capacity - blob->capacity;
    if (!budget_charge(blob->budget, more))
        return error_set(error, STATUS_OVERLOADED,
                         "%zu bytes are more than the server can hold now; try again", size);
    uint8_t *data = realloc(blob->data, capacity);
    if (!data) {
        budget_release(blob->budget, more);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu bytes", capacity);
    }
    blob->data = data;
    blob->capacity = capacity;
    return STATUS_OK;
}

enum status blob_append(struct blob *blob, struct span bytes, size_t limit_bytes,
                        struct error *error)
{
    if (blob->size > limit_bytes || bytes.size > limit_bytes - blob->size)
        return error_set(error, STATUS_TOO_LARGE, "more than the %zu bytes that are taken",
                         limit_bytes);
    enum status status = reserve(blob, blob->size + bytes.size, limit_bytes, error);
    if (status)
        return status;
    if (bytes.size > 0)
        memcpy(blob->data + blob->size, bytes.data, bytes.size);
    blob->size += bytes.size;
    return STATUS_OK;
}

struct span blob_bytes(const struct blob *blob)
{
    return (struct span){blob->data, blob->size};
}

struct blob *blob_retain(struct blob *blob)
{
    atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

void blob_release(struct blob *blob)
{
    /* Release and acquire: what any holder wrote happens before the memory is given back. */
    if (!blob || atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) > 1)
        return;
    budget_release(blob->budget, blob->capacity);
    free(blob->data);
    free(blob);
}
