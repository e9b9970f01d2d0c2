/* The native dialect: POST, PUT and GET /classify. What a request means, and the documents that
 * answer it; server/API.md shows them. */
#ifndef CLASSIFYD_SERVER_API_NATIVE_H
#define CLASSIFYD_SERVER_API_NATIVE_H

#include "server/api/adapter.h"
#include "server/models/registry.h"

struct native;

struct native_options {
    const struct registry *registry; /* borrowed, as `budget`; outlive it */
    struct budget *budget;           /* images that came as base64 are charged to it */
    size_t max_images;               /* in one request, >= 1 */
};

/* Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status native_create(const struct native_options *options,
                                     struct native **ret_native, struct error *error);

/* Its routes and format_problem, which may be called by any number of threads at once and never
 * block. The adapter is valid until native_destroy. */
struct adapter native_adapter(struct native *native);

/* Accepts NULL. */
void native_destroy(struct native *native);

#endif
