/* What the service says about itself: probes, /healthz, /metrics, /models, the page and the API's
 * description. */
#ifndef CLASSIFYD_SERVER_API_SERVICE_H
#define CLASSIFYD_SERVER_API_SERVICE_H

#include "server/api/adapter.h"
#include "server/models/registry.h"

struct service;

/* What /readyz goes by, beside the models. */
enum service_state { SERVICE_STARTING, SERVICE_SERVING, SERVICE_DRAINING };

/* Of weights, activations and batch slots. */
struct service_memory {
    size_t total_bytes, locked_bytes;
};

struct service_options {
    const struct registry *registry; /* borrowed, as `metrics`; outlive it */
    const struct metrics *metrics;
    unsigned cpu_threads; /* that compute */
    bool has_page;        /* whether / answers with the page */
    /* Called on event threads; must not block. NULL: /healthz leaves the figures out. */
    void (*memory)(void *user, struct service_memory *ret_memory);
    void *user;
};

/* In SERVICE_STARTING. Fails with STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status service_create(const struct service_options *options,
                                      struct service **ret_service, struct error *error);

/* Any thread. */
void service_set_state(struct service *service, enum service_state state);

/* Its routes and format_problem, which may be called by any number of threads at once and never
 * block. The adapter is valid until service_destroy. */
struct adapter service_adapter(struct service *service);

/* Accepts NULL. */
void service_destroy(struct service *service);

#endif
