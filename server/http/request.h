/* One request from its request line to its answer. Everything is called by its connection's event
 * thread. */
#ifndef CLASSIFYD_SERVER_HTTP_REQUEST_H
#define CLASSIFYD_SERVER_HTTP_REQUEST_H

#include "server/http/http_context.h"

struct MHD_Connection;
struct request;

/* A request line was read; `target` (NULL: it had none) is as sent. `wake_fd` is an eventfd that
 * wakes the event thread; it is written by any thread, once the connection may go on. Returns
 * owned, NULL without memory. */
struct request *request_create(struct http_context *context, struct connection *connection,
                               struct MHD_Connection *mhd, int wake_fd, const char *target);

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

/* It is over: writes the log, and ends it. Accepts NULL. */
void request_complete(struct request *request, enum request_end end);

#endif
