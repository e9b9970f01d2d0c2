/* What every request of one server shares. */
#ifndef CLASSIFYD_SERVER_HTTP_HTTP_CONTEXT_H
#define CLASSIFYD_SERVER_HTTP_HTTP_CONTEXT_H

#include <stdatomic.h>

#include "server/http/connections.h"
#include "server/http/http_server.h"

struct http_context {
    struct http_server_options options;
    struct connections *connections;
    atomic_size_t tickets;  /* given out; at most options.max_requests */
    atomic_bool is_closing; /* every answer says Connection: close */
};

#endif
