#include "server/http/http_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/http/connections_drain.h"
#include "server/http/event_threads.h"
#include "server/http/http_context.h"
#include "server/http/listener.h"

enum {
    RESERVE = 64,                   /* connections over the limit, on which probes are answered */
    KEPT_DESCRIPTORS = 256,         /* for the reserve, fetches, files, logs */
    DESCRIPTORS_AN_EVENT_THREAD = 5 /* one is libmicrohttpd 1.0's own wake-up */
};

/* After the drain's deadline: for the answers of what was aborted to be written. */
#define LAST_ANSWERS_US UINT64_C(2000000)

struct http_server {
    struct http_context context;
    struct event_threads *event_threads;
    struct listener *listener;
    char url[sizeof(((struct listener_sockets *)0)->url)];
};

static void accepted(void *user, int fd, const struct sockaddr *address, socklen_t size)
{
    struct http_server *server = user;
    struct connections *connections = server->context.connections;
    struct connection *connection = connections_admit(connections, fd, address);
    if (connection && event_threads_add(server->event_threads, connection, fd, address, size))
        return;
    if (connection)
        connections_admit_undo(connections, connection);
    (void)close(fd);
}

/* How many connections the descriptors suffice for. */
static size_t limit_connections(const struct http_server_options *options, size_t *ret_reserve)
{
    struct rlimit limit;
    size_t reserve = RESERVE, most = options->max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        size_t all = (size_t)limit.rlim_cur;
        size_t kept = KEPT_DESCRIPTORS + DESCRIPTORS_AN_EVENT_THREAD * options->event_threads;
        kept = all / 2 < kept ? all / 2 : kept;
        if (reserve > kept / 4)
            reserve = kept / 4;
        if (most > all - kept)
            most = all - kept;
    }
    if (most < options->max_connections) {
        const struct log_field fields[] = {
            LOG_FIELD_INTEGER("server.max_connections", options->max_connections),
            LOG_FIELD_INTEGER("connections", most),
            LOG_FIELD_TEXT("reason", "RLIMIT_NOFILE allows no more file descriptors"),
            LOG_FIELD_END,
        };
        log_write(options->log, LOG_WARN, "fewer_connections", fields);
    }
    *ret_reserve = reserve > 0 ? reserve : 1;
    return most > 0 ? most : 1;
}

static enum status create_connections(struct http_context *context, struct error *error)
{
    const struct http_server_options *options = &context->options;
    size_t reserve;
    context->options.max_connections = limit_connections(options, &reserve);
    struct connections_options table = {
        .max_connections = options->max_connections,
        .reserve = reserve,
        .timeout_us = {[CONNECTIONS_HEAD] = options->header_timeout_us,
                       [CONNECTIONS_BODY] = options->body_timeout_us,
                       [CONNECTIONS_WORKING] = options->request_timeout_us,
                       [CONNECTIONS_SENDING] = options->send_timeout_us,
                       [CONNECTIONS_IDLE] = options->idle_timeout_us},
        .allow_half_close = options->allow_half_close,
        .metrics = options->metrics,
    };
    return connections_create(&table, &context->connections, error);
}

enum status http_server_create(const struct http_server_options *options,
                               struct http_server **ret_server, struct error *error)
{
    struct listener_sockets sockets = {0};
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the HTTP server");
    server->context.options = *options;
    enum status status = listener_bind(options->host, options->port, &sockets, error);
    if (status)
        goto out;
    memcpy(server->url, sockets.url, sizeof server->url);
    status = create_connections(&server->context, error);
    if (status)
        goto out;
    status = event_threads_create(&server->context, &server->event_threads, error);
    if (status)
        goto out;
    status = listener_create(&sockets, accepted, server, &server->listener, error);
    if (status)
        goto out;
    *ret_server = server;
    return STATUS_OK;
out:
    listener_bind_close(&sockets);
    http_server_destroy(server);
    return status;
}

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

void http_server_close_connections(struct http_server *server)
{
    atomic_store(&server->context.is_closing, true);
}

size_t http_server_drain(struct http_server *server, uint64_t deadline_us)
{
    struct connections *connections = server->context.connections;
    http_server_close_connections(server);
    listener_stop(server->listener);
    connections_drain_begin(connections);
    connections_drain_wait(connections, deadline_us);
    size_t aborted = connections_drain_abort(connections);
    connections_drain_wait(connections, clock_now_us() + LAST_ANSWERS_US);
    return aborted;
}

void http_server_destroy(struct http_server *server)
{
    if (!server)
        return;
    listener_destroy(server->listener);
    if (server->context.connections) {
        (void)connections_drain_abort(server->context.connections);
        connections_drain_settle(server->context.connections);
    }
    event_threads_destroy(server->event_threads);
    connections_destroy(server->context.connections);
    free(server);
}
