/* The header fields of a request that mean something here. */
#ifndef CLASSIFYD_SERVER_HTTP_REQUEST_HEAD_H
#define CLASSIFYD_SERVER_HTTP_REQUEST_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/problem.h"

struct MHD_Connection;

enum { REQUEST_HEAD_MAX_ID = 128 };

/* Texts are libmicrohttpd's, until the request is completed. */
struct request_head {
    const char *host, *content_type;  /* NULL: none */
    char id[REQUEST_HEAD_MAX_ID + 1]; /* the client's, or one of ours */
    bool has_body, is_chunked;        /* has_body: a length over 0, or chunked */
    uint64_t body_bytes;              /* declared; 0 where chunked */
    bool is_malformed;                /* where the request ends is not certain */
};

/* By the event thread, once all header fields have arrived. What is wrong with them goes into
 * `ret_problem`. */
void request_head_read(struct MHD_Connection *connection, const char *version,
                       struct request_head *ret_head, struct problem *ret_problem);

#endif
