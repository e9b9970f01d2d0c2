#include "server/api/service.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/base/clock.h"
#include "server/api/adapter_reply.h"
#include "server/api/service_document.h"
#include "server/web/assets.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

struct service {
    struct service_options options;
    uint64_t start_us;
    _Atomic(enum service_state) state;
};

/* Probes. A reason is a line for the person who reads the orchestrator's events. */

static void reply_ok(struct adapter_reply *ret_reply)
{
    adapter_reply_constant((struct span){(const uint8_t *)"ok\n", 3}, 200, TEXT_TYPE, ret_reply);
}

__attribute__((format(printf, 2, 3))) static void reply_not_ok(struct adapter_reply *ret_reply,
                                                               const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    adapter_reply_text(length < 0 ? NULL : text, 503, TEXT_TYPE, ret_reply);
    ret_reply->retry_after_s = 1;
}

/* The first model that is not ready; NULL where all are. */
static const struct registry_entry *find_not_ready(const struct registry *registry)
{
    const struct registry_entry *loading = NULL;
    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct registry_entry *entry = registry_at(registry, i);
        enum registry_state state = registry_entry_state(entry);
        if (state == REGISTRY_FAILED)
            return entry;
        if (state == REGISTRY_LOADING && !loading)
            loading = entry;
    }
    return loading;
}

static void reply_model(const struct registry_entry *entry, struct adapter_reply *ret_reply)
{
    if (registry_entry_state(entry) == REGISTRY_FAILED)
        reply_not_ok(ret_reply, "failed: model %s: %s\n", registry_entry_name(entry),
                     registry_entry_reason(entry));
    else
        reply_not_ok(ret_reply, "loading: model %s\n", registry_entry_name(entry));
}

static void answer_livez(void *user, const struct adapter_request *request,
                         struct adapter_reply *ret_reply)
{
    (void)user;
    (void)request;
    reply_ok(ret_reply);
}

static void answer_startupz(void *user, const struct adapter_request *request,
                            struct adapter_reply *ret_reply)
{
    const struct service *service = user;
    const struct registry_entry *entry = find_not_ready(service->options.registry);
    (void)request;
    if (entry)
        reply_model(entry, ret_reply);
    else
        reply_ok(ret_reply);
}

static void answer_readyz(void *user, const struct adapter_request *request,
                          struct adapter_reply *ret_reply)
{
    struct service *service = user;
    enum service_state state = atomic_load(&service->state);
    const struct registry_entry *entry = find_not_ready(service->options.registry);
    (void)request;
    if (state == SERVICE_DRAINING)
        reply_not_ok(ret_reply, "draining: shutting down\n");
    else if (entry)
        reply_model(entry, ret_reply);
    else if (state == SERVICE_STARTING)
        reply_not_ok(ret_reply, "starting\n");
    else
        reply_ok(ret_reply);
}

static const char *health_status(struct service *service)
{
    enum service_state state = atomic_load(&service->state);
    if (state == SERVICE_DRAINING)
        return "draining";
    const struct registry_entry *entry = find_not_ready(service->options.registry);
    if (entry)
        return service_document_state(registry_entry_state(entry));
    return state == SERVICE_STARTING ? "starting" : "ok";
}

static void answer_healthz(void *user, const struct adapter_request *request,
                           struct adapter_reply *ret_reply)
{
    struct service *service = user;
    (void)request;
    adapter_reply_document(service_document_health(&service->options, health_status(service),
                                                   clock_now_us() - service->start_us),
                           200, "application/json", ret_reply);
}

/* The rest. */

static void answer_metrics(void *user, const struct adapter_request *request,
                           struct adapter_reply *ret_reply)
{
    const struct service *service = user;
    struct error error = {0};
    char *text = NULL;
    (void)request;
    if (metrics_format(service->options.metrics, &text, &error))
        text = NULL;
    adapter_reply_text(text, 200, "text/plain; version=0.0.4; charset=utf-8", ret_reply);
}

static void answer_models(void *user, const struct adapter_request *request,
                          struct adapter_reply *ret_reply)
{
    const struct service *service = user;
    (void)request;
    adapter_reply_document(service_document_models(service->options.registry), 200,
                           "application/json", ret_reply);
}

static void answer_page(void *user, const struct adapter_request *request,
                        struct adapter_reply *ret_reply)
{
    const struct service *service = user;
    struct problem problem = {0};
    if (service->options.has_page) {
        adapter_reply_constant(assets_page(), 200, "text/html; charset=utf-8", ret_reply);
        ret_reply->cache_control = "no-cache";
        return;
    }
    problem_set(&problem, PROBLEM_NOT_FOUND,
                "the page is switched off (server.page); /openapi.json describes the API");
    adapter_reply_problem(request, &problem, ret_reply);
}

static void answer_openapi(void *user, const struct adapter_request *request,
                           struct adapter_reply *ret_reply)
{
    (void)user;
    (void)request;
    adapter_reply_constant(assets_openapi(), 200, "application/json", ret_reply);
    ret_reply->cache_control = "no-cache";
}

static void answer_sample(void *user, const struct adapter_request *request,
                          struct adapter_reply *ret_reply)
{
    (void)user;
    (void)request;
    adapter_reply_constant(assets_sample_image(), 200, "image/jpeg", ret_reply);
    ret_reply->cache_control = "no-cache";
}

/* Browsers ask for it unasked; the page's icon is in the page. */
static void answer_favicon(void *user, const struct adapter_request *request,
                           struct adapter_reply *ret_reply)
{
    (void)user;
    (void)request;
    adapter_reply_constant((struct span){(const uint8_t *)"", 0}, 204, NULL, ret_reply);
    ret_reply->cache_control = "max-age=86400";
}

static void format_problem(void *user, const struct adapter_request *request,
                           const struct problem *problem, struct adapter_reply *ret_reply)
{
    (void)user;
    adapter_reply_problem(request, problem, ret_reply);
}

static const struct adapter_route routes[] = {
    {.path = "/livez",
     .methods = "GET",
     .summary = "whether the process answers",
     .metric = METRICS_ROUTE_PROBE,
     .is_probe = true,
     .answer = answer_livez},
    {.path = "/readyz",
     .methods = "GET",
     .summary = "whether requests should be sent here",
     .metric = METRICS_ROUTE_PROBE,
     .is_probe = true,
     .answer = answer_readyz},
    {.path = "/startupz",
     .methods = "GET",
     .summary = "whether the start has ended well",
     .metric = METRICS_ROUTE_PROBE,
     .is_probe = true,
     .answer = answer_startupz},
    {.path = "/healthz",
     .methods = "GET",
     .summary = "what the service is doing, for people",
     .metric = METRICS_ROUTE_PROBE,
     .is_probe = true,
     .answer = answer_healthz},
    {.path = "/metrics",
     .methods = "GET",
     .summary = "counters and histograms for Prometheus",
     .metric = METRICS_ROUTE_METRICS,
     .is_probe = true,
     .answer = answer_metrics},
    {.path = "/models",
     .methods = "GET",
     .summary = "the models that are served",
     .metric = METRICS_ROUTE_MODELS,
     .answer = answer_models},
    {.path = "/",
     .methods = "GET",
     .summary = "a page to try it in a browser",
     .metric = METRICS_ROUTE_PAGE,
     .answer = answer_page},
    {.path = "/openapi.json",
     .methods = "GET",
     .summary = "this description of the API",
     .metric = METRICS_ROUTE_PAGE,
     .answer = answer_openapi},
    {.path = "/sample.jpg",
     .methods = "GET",
     .summary = "a photograph to try it with",
     .metric = METRICS_ROUTE_PAGE,
     .answer = answer_sample},
    {.path = "/favicon.ico",
     .methods = "GET",
     .summary = "nothing",
     .metric = METRICS_ROUTE_PAGE,
     .answer = answer_favicon},
    {.path = NULL},
};

enum status service_create(const struct service_options *options, struct service **ret_service,
                           struct error *error)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the service's state");
    service->options = *options;
    service->start_us = clock_now_us();
    atomic_init(&service->state, SERVICE_STARTING);
    *ret_service = service;
    return STATUS_OK;
}

void service_set_state(struct service *service, enum service_state state)
{
    atomic_store(&service->state, state);
}

struct adapter service_adapter(struct service *service)
{
    return (struct adapter){.routes = routes, .user = service, .format_problem = format_problem};
}

void service_destroy(struct service *service)
{
    free(service);
}
