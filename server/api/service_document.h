/* What the service knows of itself, as documents. */
#ifndef CLASSIFYD_SERVER_API_SERVICE_DOCUMENT_H
#define CLASSIFYD_SERVER_API_SERVICE_DOCUMENT_H

#include "server/api/service.h"

/* {"status", "version", "uptime_s", "models", "kernels", "queues", "requests_in_flight",
 * "connections", "memory", "cpu_threads"}. `status`: "ok", "loading", "failed", "starting",
 * "draining". NULL without memory. Returns owned. Any thread. */
struct json_doc *service_document_health(const struct service_options *options, const char *status,
                                         uint64_t uptime_us);

/* {"models": [{"name", "default", "state", "reason"?, "model"?, "classes"?, "input_px"?,
 * "recipe"?}]}; the last four once it is loaded. NULL without memory. Returns owned. Any thread. */
struct json_doc *service_document_models(const struct registry *registry);

/* "loading", "ready", "failed". */
const char *service_document_state(enum registry_state state);

#endif
