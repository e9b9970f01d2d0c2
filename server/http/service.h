/* What every request of one server shares. */
#ifndef CLASSIFYD_SERVER_HTTP_SERVICE_H
#define CLASSIFYD_SERVER_HTTP_SERVICE_H

#include <stdatomic.h>

#include "server/http/connections.h"
#include "server/http/http_server.h"

struct service {
    struct http_server_options options;
    struct connections *connections;
    atomic_size_t tickets;  /* given out; at most options.max_requests */
    atomic_bool is_closing; /* every answer says Connection: close */
};

#endif
