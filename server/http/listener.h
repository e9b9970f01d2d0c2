/* The thread that accepts. */
#ifndef CLASSIFYD_SERVER_HTTP_LISTENER_H
#define CLASSIFYD_SERVER_HTTP_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "model/base/status.h"
#include "server/http/listener_bind.h"

struct listener;

/* An accepted socket, non-blocking and close-on-exec, is the callee's. Called by the listener's
 * thread, with no lock held. */
typedef void listener_accepted_function(void *user, int fd, const struct sockaddr *address,
                                        socklen_t size);

/* Takes the sockets (zeroes `sockets`) and starts the thread. Fails with STATUS_NO_MEMORY,
 * STATUS_IO; the sockets are closed then. Returns owned. */
MUST_CHECK enum status listener_create(struct listener_sockets *sockets,
                                       listener_accepted_function *accepted, void *user,
                                       struct listener **ret_listener, struct error *error);

/* Lets no new connection begin, accepts every one that has, closes the sockets and ends the thread.
 * Blocks until then. Does nothing the second time. */
void listener_stop(struct listener *listener);

/* After listener_stop, or instead. Accepts NULL. */
void listener_destroy(struct listener *listener);

#endif
