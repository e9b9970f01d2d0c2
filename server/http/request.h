/* One request from its request line to its answer.
 *
 * Two hold it: its connection, from request_create to request_complete, and for moments the thread
 * that aborts it. All but retain, release and abort is called by the connection's event thread. */
#ifndef CLASSIFYD_SERVER_HTTP_REQUEST_H
#define CLASSIFYD_SERVER_HTTP_REQUEST_H

#include "server/http/service.h"

struct MHD_Connection;
struct request;

/* A request line was read; `target` (NULL: it had none) is as sent. Returns one reference, NULL
 * without memory. */
struct request *request_create(struct service *service, struct connection *connection,
                               struct MHD_Connection *mhd, const char *target);

/* libmicrohttpd's handler: called when the head is there, with every piece of the body (`*size` >
 * 0, set to 0 where it was taken), when all is there, and when the connection was resumed. False:
 * close the connection. */
bool request_handle(struct request *request, const char *method, const char *version,
                    const char *data, size_t *size);

/* How a request came to its end. */
enum request_end {
    REQUEST_SENT,    /* the answer was written out */
    REQUEST_CUT,     /* the connection ended */
    REQUEST_REFUSED, /* that, or libmicrohttpd sent a page of its own: not HTTP */
};

/* It is over. Takes the reference of request_create; accepts NULL. */
void request_complete(struct request *request, enum request_end end);

/* Any thread. */
void request_retain(struct request *request);
void request_release(struct request *request);
/* Finishes what is not finished of its job with this problem. Any thread, in phase working. */
void request_abort(struct request *request, enum problem_code code);

#endif
