/* One event thread: a daemon of libmicrohttpd, driven by a thread of ours.
 *
 * Not by one of its own: that waits for events with some still in hand. Where epoll_wait(2) gives
 * as many as it has room for (128), it asks for more before it handles those, without a timeout
 * (MHD_epoll in libmicrohttpd 0.9.75): as many clients as ask at the same moment hang until
 * another comes. */
#ifndef CLASSIFYD_SERVER_HTTP_EVENT_THREAD_H
#define CLASSIFYD_SERVER_HTTP_EVENT_THREAD_H

#include <sys/socket.h>

#include "server/http/http_context.h"

struct event_thread;

/* Starts it. Fails with STATUS_NO_MEMORY, STATUS_IO. Returns owned; `context` is borrowed. */
MUST_CHECK enum status event_thread_create(struct http_context *context,
                                           struct event_thread **ret_thread, struct error *error);

/* Gives it an accepted socket, entered as `connection`; waits where it has many to take up yet.
 * False: the socket is still the caller's. By one thread at a time. */
bool event_thread_add(struct event_thread *thread, struct connection *connection, int fd,
                      const struct sockaddr *address, socklen_t size);

/* Takes up what it was given, closes every connection, written out or not, and ends the thread. No
 * connection may be suspended. Accepts NULL. */
void event_thread_destroy(struct event_thread *thread);

#endif
