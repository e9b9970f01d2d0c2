/* Base64 (RFC 4648) as clients send it: the standard or the URL alphabet, padded or not, white
 * space anywhere, "data:image/jpeg;base64," before it. Pure; read in pieces, so that a large image
 * is never held twice. */
#ifndef CLASSIFYD_SERVER_API_BASE64_H
#define CLASSIFYD_SERVER_API_BASE64_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/base/status.h"

/* Where a reader is; the caller's memory, the fields are base64.c's. */
struct base64 {
    struct span text;
    size_t at;
    bool has_escapes;
    bool is_padded; /* a "=" was seen: only white space and another may follow */
    uint32_t bits;
    unsigned bit_count; /* of `bits`, that no byte was made of yet */
    size_t digit_count; /* read so far */
};

/* Begins to read `text` (borrowed while it is read). `has_escapes`: it stands as it did between the
 * quotes of a JSON string; \/, \n, \r, \t and \u00XX are understood. Fails with STATUS_BAD_REQUEST:
 * a data: URL that is not base64. */
MUST_CHECK enum status base64_init(struct base64 *base64, struct span text, bool has_escapes,
                                   struct error *error);

/* An upper bound of the bytes that will come. */
size_t base64_max_bytes(const struct base64 *base64);

/* The next up to `capacity` (> 0) bytes; none after the last. Fails with STATUS_BAD_REQUEST: what
 * stands where. */
MUST_CHECK enum status base64_read(struct base64 *base64, uint8_t *ret_bytes, size_t capacity,
                                   size_t *ret_size, struct error *error);

#endif
