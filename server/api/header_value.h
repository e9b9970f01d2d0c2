/* The value of a header field such as Content-Type: a first word and its parameters, RFC 9110 5.6.
 * Pure; everything is a span of what was given. */
#ifndef CLASSIFYD_SERVER_API_HEADER_VALUE_H
#define CLASSIFYD_SERVER_API_HEADER_VALUE_H

#include <stdbool.h>

#include "model/base/span.h"

/* One `; name=value`. */
struct header_parameter {
    struct span name, value; /* between the quotes where it is quoted, its escapes as sent */
    bool is_quoted;
};

enum header_value_step { HEADER_VALUE_FOUND, HEADER_VALUE_END, HEADER_VALUE_MALFORMED };

/* What stands before the first semicolon, without the spaces around it. The rest is for
 * header_value_next. */
struct span header_value_first(struct span value, struct span *ret_rest);

/* Takes the next parameter off `rest`. An empty one (";;") is passed over. */
enum header_value_step header_value_next(struct span *rest, struct header_parameter *ret_parameter);

/* Whether the bytes are that word, whatever its case (ASCII). */
bool header_value_is(struct span bytes, const char *word);

/* A parameter's text without its escapes. Only \" and \\ are escapes: browsers send the backslash
 * of a Windows path as it is. False where it does not fit or holds a NUL. */
bool header_value_text(const struct header_parameter *parameter, char *ret_text, size_t size);

#endif
