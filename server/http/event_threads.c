#include "server/http/event_threads.h"

#include <limits.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/request.h"

/* Half of it is the read buffer: a head of 16 KiB fits with what is made of it. */
#define CONNECTION_MEMORY_BYTES ((size_t)64 << 10)

struct event_threads {
    struct http_context *context;
    unsigned count, next;
    struct MHD_Daemon *threads[]; /* [count] */
};

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_context *context = user;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *place = connections_begin(context->connections, info->connect_fd);
    } else {
        connections_end(context->connections, *place);
    }
}

static void *on_target(void *user, const char *target, struct MHD_Connection *mhd)
{
    return request_create(user, connection_of(mhd), mhd, target);
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **place)
{
    (void)user;
    (void)mhd;
    (void)url;
    struct request *request = *place;
    return request && request_handle(request, method, version, data, size) ? MHD_YES : MHD_NO;
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **place,
                         enum MHD_RequestTerminationCode code)
{
    (void)user;
    (void)mhd;
    struct request *request = *place;
    *place = NULL;
    request_complete(request, code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? REQUEST_SENT
                              : code == MHD_REQUEST_TERMINATED_WITH_ERROR ? REQUEST_REFUSED
                                                                          : REQUEST_CUT);
}

static void on_message(void *user, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void on_message(void *user, const char *format, va_list arguments)
{
    struct http_context *context = user;
    char text[512];
    (void)vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    const struct log_field fields[] = {LOG_FIELD_TEXT("message", text), LOG_FIELD_END};
    log_write(context->options.log, LOG_DEBUG, "libmicrohttpd", fields);
}

static struct MHD_Daemon *start(struct http_context *context)
{
    return MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME |
            MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, context,                          /**/
        MHD_OPTION_EXTERNAL_LOGGER, on_message, context,             /* has to be the first */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX,              /* the table has its own */
        MHD_OPTION_CONNECTION_TIMEOUT, 0U,                           /* and its timeouts */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, /**/
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                             /**/
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, context,        /**/
        MHD_OPTION_URI_LOG_CALLBACK, on_target, context,             /**/
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, context, MHD_OPTION_END);
}

enum status event_threads_create(struct http_context *context, struct event_threads **ret_threads,
                                 struct error *error)
{
    unsigned count = context->options.event_threads;
    struct event_threads *event_threads =
        calloc(1, sizeof *event_threads + count * sizeof *event_threads->threads);
    if (!event_threads)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the event threads");
    event_threads->context = context;
    for (; event_threads->count < count; event_threads->count++) {
        event_threads->threads[event_threads->count] = start(context);
        if (!event_threads->threads[event_threads->count]) {
            event_threads_destroy(event_threads);
            return error_set(error, STATUS_IO, "cannot start an event thread");
        }
    }
    *ret_threads = event_threads;
    return STATUS_OK;
}

bool event_threads_add(struct event_threads *event_threads, int fd, const struct sockaddr *address,
                       socklen_t size)
{
    struct MHD_Daemon *thread = event_threads->threads[event_threads->next];
    event_threads->next = (event_threads->next + 1) % event_threads->count;
    return MHD_add_connection(thread, fd, address, size) == MHD_YES;
}

void event_threads_destroy(struct event_threads *event_threads)
{
    if (!event_threads)
        return;
    for (unsigned i = 0; i < event_threads->count; i++)
        MHD_stop_daemon(event_threads->threads[i]);
    free(event_threads);
}
