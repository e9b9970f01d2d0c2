/* A JSON text without its long strings, which are images in base64: they never go through the JSON
 * parser, so that a body costs hardly more memory than itself and as much time as finding its
 * quotes. What is left is small and flat, however large the body was. Pure. */
#ifndef CLASSIFYD_SERVER_API_JSON_SKELETON_H
#define CLASSIFYD_SERVER_API_JSON_SKELETON_H

#include "model/base/span.h"
#include "model/base/status.h"

enum {
    JSON_SKELETON_LONG_BYTES = 8192, /* strings over this are cut out */
    JSON_SKELETON_MAX_DEPTH = 4,
};

struct json_skeleton {
    char *text; /* [size]: each long string has become a short one */
    size_t size;
    size_t string_count;
    struct span *strings; /* [string_count]: within the original, between their quotes */
};

/* Whether the text is JSON is the parser's to say. Fails with STATUS_BAD_REQUEST (nested deeper
 * than JSON_SKELETON_MAX_DEPTH, a long string that does not end), STATUS_TOO_LARGE (over
 * `max_values` commas and brackets, `max_bytes` without the long strings), STATUS_NO_MEMORY.
 * `ret_skeleton` is to be given to json_skeleton_fini; `text` must live as long. */
MUST_CHECK enum status json_skeleton_init(struct span text, size_t max_values, size_t max_bytes,
                                          struct json_skeleton *ret_skeleton, struct error *error);

/* Accepts a zeroed struct. */
void json_skeleton_fini(struct json_skeleton *skeleton);

/* The long string that a parsed string stands for; NULL where it is an ordinary one. */
const struct span *json_skeleton_find(const struct json_skeleton *skeleton, const char *string);

#endif
