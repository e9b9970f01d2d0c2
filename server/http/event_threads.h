/* The event threads, and whose turn it is. Each has a daemon of its own rather than one of
 * libmicrohttpd's thread pool, which it does not combine with sockets that it did not accept
 * itself, and which divides the limit on connections. */
#ifndef CLASSIFYD_SERVER_HTTP_EVENT_THREADS_H
#define CLASSIFYD_SERVER_HTTP_EVENT_THREADS_H

#include <sys/socket.h>

#include "server/http/http_context.h"

struct event_threads;

/* Starts `options.event_threads` threads. Fails with STATUS_NO_MEMORY, STATUS_IO. Returns owned;
 * `context` is borrowed. */
MUST_CHECK enum status event_threads_create(struct http_context *context,
                                            struct event_threads **ret_threads,
                                            struct error *error);

/* Gives an accepted socket, entered as `connection`, to each thread in turn; may wait for that
 * thread. False: the socket is still the caller's. By one thread at a time. */
bool event_threads_add(struct event_threads *event_threads, struct connection *connection, int fd,
                       const struct sockaddr *address, socklen_t size);

/* Closes every connection, written out or not, and ends the threads. No connection may be
 * suspended. Accepts NULL. */
void event_threads_destroy(struct event_threads *event_threads);

#endif
