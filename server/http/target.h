/* A request target taken apart: path and query, percent-decoded. Pure: bytes in, texts out. */
#ifndef CLASSIFYD_SERVER_HTTP_TARGET_H
#define CLASSIFYD_SERVER_HTTP_TARGET_H

#include "server/api/adapter.h"

enum { TARGET_MAX_PARAMETERS = 256 };

/* Texts are owned; zeroed: nothing. */
struct target {
    char *text;       /* what `path` and the parameters point into */
    const char *path; /* "/classify" */
    size_t parameter_count;
    struct adapter_parameter *parameters; /* [parameter_count], in the order sent */
};

/* Reads "/path?a=1&b" or "http://host/path?a=1&b" (what a proxy is sent). In the query `+` is a
 * space. Fails with STATUS_BAD_REQUEST (a broken percent-escape, a NUL, broken UTF-8, too many
 * parameters), STATUS_NO_MEMORY. Any thread. */
MUST_CHECK enum status target_parse(const char *text, struct target *ret_target,
                                    struct error *error);
void target_fini(struct target *target);

#endif
