/* Which adapter's route a path and a method mean. Pure. */
#ifndef CLASSIFYD_SERVER_HTTP_ROUTES_H
#define CLASSIFYD_SERVER_HTTP_ROUTES_H

#include "server/api/adapter.h"

/* Borrowed from the adapters. */
struct routes_match {
    const struct adapter *adapter;
    const struct adapter_route *route; /* NULL: the path is nobody's; `adapter` is the first */
};

/* Any thread, as all of them. `count` >= 1. */
struct routes_match routes_find(const struct adapter *adapters, size_t count, const char *path);

/* The path that was probably meant, borrowed; NULL: none comes near. */
const char *routes_nearest(const struct adapter *adapters, size_t count, const char *path);

/* Whether the route's own functions take the method; HEAD is taken where GET is. */
bool routes_takes(const struct adapter_route *route, const char *method);

/* The value of Allow: the route's methods, HEAD beside GET, and OPTIONS. */
void routes_format_allow(const struct adapter_route *route, size_t size, char *ret_text);

#endif
