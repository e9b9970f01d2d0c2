#include "server/commands/serving.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/commands/serving_parts.h"
#include "server/commands/serving_policy.h"
#include "server/commands/serving_watch.h"
#include "server/notify.h"

struct serving {
    const struct config *config;
    struct serving_watch watch;
    struct serving_parts parts;
    bool is_loaded; /* the loader's first news was heard */
};

static void log_event(const struct serving *serving, const char *event, const char *key,
                      const char *text)
{
    log_write(serving->parts.log, LOG_INFO, event,
              (struct log_field[]){LOG_FIELD_TEXT(key, text), LOG_FIELD_END});
}

/* What a person pastes. Where both streams are collected together, as a container's are, it would
 * be the one thing among the log's lines that is none. */
static void print_welcome(const struct serving *serving)
{
    if (!isatty(STDOUT_FILENO))
        return;
    const char *url = http_server_url(serving->parts.http);
    char by_name[64];
    if (strcmp(serving->config->server.host, "localhost") == 0) {
        (void)snprintf(by_name, sizeof by_name, "http://localhost%s", strrchr(url, ':'));
        url = by_name;
    }
    printf("\nclassifyd answers at %s   (Ctrl-C ends it)\n\n"
           "  curl -s %s/sample.jpg | curl --data-binary @- %s/classify\n\n",
           url, url, url);
    (void)fflush(stdout);
}

/* The first reason why a model is not served. */
static enum status check_models(const struct serving *serving, struct error *error)
{
    for (size_t i = 0; i < registry_count(serving->parts.registry); i++) {
        const struct registry_entry *entry = registry_at(serving->parts.registry, i);
        if (registry_entry_state(entry) == REGISTRY_FAILED)
            return error_set(error, STATUS_BAD_MODEL, "%s", registry_entry_reason(entry));
    }
    return STATUS_OK;
}

/* With what the welcome says, where nobody sees that. */
static void log_ready(const struct serving *serving)
{
    char try_it[256];
    const char *url = http_server_url(serving->parts.http);
    (void)snprintf(try_it, sizeof try_it,
                   "curl -s %s/sample.jpg | curl --data-binary @- %s/classify", url, url);
    log_write(serving->parts.log, LOG_INFO, "ready",
              (struct log_field[]){LOG_FIELD_TEXT("url", url),
                                   LOG_FIELD_TEXT("try", isatty(STDOUT_FILENO) ? NULL : try_it),
                                   LOG_FIELD_END});
}

static enum status go_ready(struct serving *serving, struct error *error)
{
    enum status status = check_models(serving, error);
    if (status)
        return status;
    service_set_state(serving->parts.service, SERVICE_SERVING);
    metrics_gauge_set(serving->parts.metrics, METRICS_READY, 1);
    log_ready(serving);
    notify_send("READY=1");
    print_welcome(serving);
    return STATUS_OK;
}

/* The loader's first news is that the models are there, its second that its work is done: then it
 * is let go. Returns whether it was the first. */
static bool hear_loader(struct serving *serving)
{
    bool is_first = !serving->is_loaded;
    serving->is_loaded = true;
    if (!is_first)
        serving_parts_end_loader(&serving->parts);
    return is_first;
}

/* As serving_watch_wait; a hangup is dealt with here. */
static enum serving_event wait_until(const struct serving *serving, uint64_t until_us)
{
    for (;;) {
        enum serving_event event = serving_watch_wait(&serving->watch, until_us);
        if (event != SERVING_HANGUP)
            return event;
        log_write(serving->parts.log, LOG_WARN, "reload",
                  (struct log_field[]){
                      LOG_FIELD_TEXT("detail", "SIGHUP: the configuration cannot be reloaded yet; "
                                               "restart to change it"),
                      LOG_FIELD_END});
    }
}

/* The time; that models are there is no news any more. */
static void wait_out(struct serving *serving, uint64_t delay_us)
{
    uint64_t until_us = clock_now_us() + delay_us;
    if (serving->parts.loader)
        loader_stop(serving->parts.loader);
    while (wait_until(serving, until_us) == SERVING_NEWS)
        (void)hear_loader(serving);
}

/* Readiness says no at once; an orchestrator that sees it late may still send requests for
 * server.drain_delay_ms, and they are answered. */
static void drain(struct serving *serving, enum serving_event reason)
{
    const struct config *config = serving->config;
    struct serving_parts *parts = &serving->parts;
    service_set_state(parts->service, SERVICE_DRAINING);
    metrics_gauge_set(parts->metrics, METRICS_READY, 0);
    notify_send("STOPPING=1");
    log_event(serving, "draining", "signal", reason == SERVING_TERMINATE ? "SIGTERM" : "SIGINT");
    http_server_close_connections(parts->http);
    if (serving->is_loaded) /* it has at most a cache file to finish */
        (void)hear_loader(serving);
    serving_watch_unblock_signals();
    if (reason == SERVING_TERMINATE)
        wait_out(serving, (uint64_t)config->server.drain_delay_ms * 1000);
    size_t aborted = http_server_drain(
        parts->http, clock_now_us() + (uint64_t)config->server.drain_timeout_ms * 1000);
    log_write(parts->log, aborted > 0 ? LOG_WARN : LOG_INFO, "stopped",
              (struct log_field[]){LOG_FIELD_INTEGER("aborted_requests", aborted), LOG_FIELD_END});
}

/* Until a signal ends it; fails where a model cannot be served. */
static enum status serve(struct serving *serving, struct error *error)
{
    log_event(serving, "listening", "url", http_server_url(serving->parts.http));
    enum serving_event event;
    while ((event = wait_until(serving, UINT64_MAX)) == SERVING_NEWS) {
        enum status status = hear_loader(serving) ? go_ready(serving, error) : STATUS_OK;
        if (status)
            return status;
    }
    drain(serving, event);
    return STATUS_OK;
}

enum status serving_check(const struct config *config, struct error *error)
{
    struct url_policy *policy = NULL;
    struct registry *registry = NULL;
    enum status status = serving_policy_create(config, &policy, error);
    if (!status)
        status = registry_create(config->models.values, config->models.count, &registry, error);
    registry_destroy(registry);
    url_policy_destroy(policy);
    return status;
}

enum status serving_run(const struct config *config, struct error *error)
{
    struct serving serving = {.config = config};
    enum status status = serving_watch_init(&serving.watch, error);
    if (!status)
        status = serving_parts_init(&serving.parts, config, &serving.watch, error);
    if (!status)
        status = serve(&serving, error);
    serving_parts_fini(&serving.parts);
    serving_watch_fini(&serving.watch);
    return status;
}
