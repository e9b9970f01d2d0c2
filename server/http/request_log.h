/* The one line a request leaves, and what it adds to the metrics. */
#ifndef CLASSIFYD_SERVER_HTTP_REQUEST_LOG_H
#define CLASSIFYD_SERVER_HTTP_REQUEST_LOG_H

#include "server/http/http_context.h"

/* Borrowed texts; NULL: not known. */
struct request_log {
    const char *id, *method, *path, *client;
    const struct adapter_route *route; /* NULL: nobody's path */
    unsigned http_status;
    enum problem_code code; /* PROBLEM_NONE: none */
    const char *stage;      /* where it failed; NULL: it did not */
    uint64_t body_bytes;
    size_t image_count;
    struct item_times times; /* of the slowest image */
    uint64_t total_us;
};

enum metrics_route request_log_metric(const struct request_log *entry);

void request_log_write(const struct http_context *context, const struct request_log *entry);

/* Notes what became of the images of a finished job: times of the slowest, the first problem. */
void request_log_note_items(struct request_log *entry, struct item *const *items, size_t count);

#endif
