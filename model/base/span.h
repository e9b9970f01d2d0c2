/* Bytes from outside: a pointer with its length, and reads that cannot leave it. */
#ifndef CLASSIFYD_MODEL_BASE_SPAN_H
#define CLASSIFYD_MODEL_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes; whoever made the span says how long they live. */
struct span {
    const uint8_t *data;
    size_t size;
};

/* The `size` bytes at `offset`; false (nothing written) where they do not lie inside. */
static inline bool span_slice(struct span span, uint64_t offset, uint64_t size,
                              struct span *ret_slice)
{
    if (offset > span.size || size > span.size - offset)
        return false;
    *ret_slice = (struct span){span.data + offset, (size_t)size};
    return true;
}

/* An unsigned number of `bytes` (1..8) bytes at `offset`, little or big endian; false as above. */
static inline bool span_read_le(struct span span, uint64_t offset, unsigned bytes,
                                uint64_t *ret_value)
{
    struct span at;
    if (!span_slice(span, offset, bytes, &at))
        return false;
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | at.data[i];
    *ret_value = value;
    return true;
}

static inline bool span_read_be(struct span span, uint64_t offset, unsigned bytes,
                                uint64_t *ret_value)
{
    struct span at;
    if (!span_slice(span, offset, bytes, &at))
        return false;
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at.data[i];
    *ret_value = value;
    return true;
}

/* Whether the bytes at `offset` are these; false where the span ends before. */
static inline bool span_has(struct span span, uint64_t offset, const void *bytes, size_t size)
{
    struct span at;
    return span_slice(span, offset, size, &at) && memcmp(at.data, bytes, size) == 0;
}

#endif
