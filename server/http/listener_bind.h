/* Which addresses are listened on. */
#ifndef CLASSIFYD_SERVER_HTTP_LISTENER_BIND_H
#define CLASSIFYD_SERVER_HTTP_LISTENER_BIND_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"

enum { LISTENER_BIND_MAX_SOCKETS = 16 };

struct listener_sockets {
    size_t count;
    int fds[LISTENER_BIND_MAX_SOCKETS]; /* listening, non-blocking; owned */
    char url[128];                      /* of the first: "http://127.0.0.1:8080" */
};

/* Listens on every address of `host` with one port (0: any). "localhost" is both loopbacks, "" and
 * "*" every address; IPv6 may be missing. Fails with STATUS_IO (in use, not permitted, unknown
 * host: the text names host and port). May block on the resolver. */
MUST_CHECK enum status listener_bind(const char *host, uint16_t port,
                                     struct listener_sockets *ret_sockets, struct error *error);

void listener_bind_close(struct listener_sockets *sockets);

#endif
