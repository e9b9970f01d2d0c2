/* On which line of a JSON text something stands, for messages: parsed documents have forgotten it.
 */
#ifndef CLASSIFYD_MODEL_BASE_JSON_LINE_H
#define CLASSIFYD_MODEL_BASE_JSON_LINE_H

#include <stddef.h>

#include "model/base/span.h"

/* One step down: to a member of an object, or to an item of an array. */
struct json_step {
    const char *key; /* NULL: an item */
    size_t index;    /* of an item */
};

/* The line, from 1, on which the last step's key or item begins; 0 where it is not there or there
 * is no memory. `text` is what json_doc_parse accepted; of other bytes the answer means nothing.
 * Any thread. */
size_t json_line_find(struct span text, const struct json_step *steps, size_t step_count);

#endif
