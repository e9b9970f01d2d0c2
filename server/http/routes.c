#include "server/http/routes.h"

#include <stdio.h>
#include <string.h>

#include "model/base/nearest.h"

struct routes_match routes_find(const struct adapter *adapters, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        for (const struct adapter_route *route = adapters[i].routes; route->path; route++)
            if (strcmp(route->path, path) == 0)
                return (struct routes_match){&adapters[i], route};
    return (struct routes_match){&adapters[0], NULL};
}

const char *routes_nearest(const struct adapter *adapters, size_t count, const char *path)
{
    struct nearest nearest = {.wanted = path};
    for (size_t i = 0; i < count; i++)
        for (const struct adapter_route *route = adapters[i].routes; route->path; route++)
            nearest_offer(&nearest, route->path);
    return nearest.name;
}

/* Whether a list as in Allow has the method. */
static bool has_method(const char *methods, const char *method)
{
    size_t size = strlen(method);
    for (const char *at = methods; *at;) {
        size_t length = strcspn(at, ", ");
        if (length == size && memcmp(at, method, size) == 0)
            return true;
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

bool routes_takes(const struct adapter_route *route, const char *method)
{
    return has_method(route->methods, strcmp(method, "HEAD") == 0 ? "GET" : method);
}

void routes_format_allow(const struct adapter_route *route, size_t size, char *ret_text)
{
    bool has_head = has_method(route->methods, "GET") && !has_method(route->methods, "HEAD");
    (void)snprintf(ret_text, size, "%s%s%s", route->methods, has_head ? ", HEAD" : "",
                   has_method(route->methods, "OPTIONS") ? "" : ", OPTIONS");
}
