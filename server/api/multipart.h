/* multipart/form-data (RFC 7578, RFC 2046 5.1) over a complete body: its parts one after the other,
 * as spans of the body. Pure; copies nothing, allocates nothing.
 *
 * Lines may end in LF alone, as in requests written by hand. What stands before the first boundary
 * and after the last is passed over, as the RFC says. */
#ifndef CLASSIFYD_SERVER_API_MULTIPART_H
#define CLASSIFYD_SERVER_API_MULTIPART_H

#include "model/base/span.h"
#include "model/base/status.h"
#include "server/api/header_value.h"

enum {
    MULTIPART_MAX_BOUNDARY_BYTES = 70, /* RFC 2046 5.1.1 */
    MULTIPART_MAX_HEADER_BYTES = 8192, /* of one part, line ends included */
};

/* Where a reader is; the caller's memory, the fields are multipart.c's. */
struct multipart {
    struct span body;
    size_t at; /* behind a delimiter's line, or at the end */
    bool is_closed;
    size_t part_count, max_parts;
    char delimiter[2 + MULTIPART_MAX_BOUNDARY_BYTES + 1];
    size_t delimiter_bytes;
};

struct multipart_part {
    struct header_parameter name;
    struct header_parameter filename; /* empty without one, and where there is `filename*` alone:
                                         RFC 7578 4.2 forbids that, so it is not read */
    bool has_filename;                /* of either kind: the part is a file */
    struct span content_type;         /* empty without one */
    struct span content;
};

/* Begins to read `body` (borrowed while it is read) as its Content-Type says. Fails with
 * STATUS_BAD_REQUEST: no usable boundary, or none of it in the body. */
MUST_CHECK enum status multipart_init(struct multipart *multipart, struct span body,
                                      const char *content_type, size_t max_parts,
                                      struct error *error);

/* The next part; false in `ret_has_part` after the last. Fails with STATUS_BAD_REQUEST (a part that
 * is cut off, a header that cannot be read; the text numbers the part), STATUS_TOO_LARGE over
 * max_parts. */
MUST_CHECK enum status multipart_next(struct multipart *multipart, struct multipart_part *ret_part,
                                      bool *ret_has_part, struct error *error);

#endif
