#include "server/http/event_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/http/request.h"

/* Half of it is the read buffer: a head of 16 KiB fits with what is made of it. */
#define CONNECTION_MEMORY_BYTES ((size_t)64 << 10)

/* What the pipe carries. Not above PIPE_BUF, so that each is written and read whole. */
struct handover {
    struct connection *connection;
    int fd;
    socklen_t address_size;
    struct sockaddr_storage address;
};

enum { HANDOVERS_A_TURN = PIPE_BUF / sizeof(struct handover) };

struct event_thread {
    struct http_context *context;
    struct MHD_Daemon *daemon;
    int read_fd, write_fd; /* of the pipe of handovers; its end tells the thread to stop */
    int wake_fd;           /* an eventfd: connections were resumed */
    pthread_t thread;
    bool has_thread;
    /* Of this turn; `connection` is NULL once libmicrohttpd has begun or refused it. */
    struct handover handovers[HANDOVERS_A_TURN];
    size_t handover_count;
};

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

static struct connection *take_handed_over(struct event_thread *thread, int fd)
{
    struct handover *handover = thread->handovers;
    while (!handover->connection || handover->fd != fd)
        handover++;
    struct connection *connection = handover->connection;
    handover->connection = NULL;
    return connection;
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    struct event_thread *thread = user;
    struct connections *connections = thread->context->connections;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *place = take_handed_over(thread, info->connect_fd);
        connections_begin(connections, *place);
    } else {
        connections_end(connections, *place);
    }
}

static void *on_target(void *user, const char *target, struct MHD_Connection *mhd)
{
    struct event_thread *thread = user;
    return request_create(thread->context, connection_of(mhd), mhd, thread->wake_fd, target);
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
    struct event_thread *thread = user;
    char text[512];
    (void)vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    const struct log_field fields[] = {LOG_FIELD_TEXT("message", text), LOG_FIELD_END};
    log_write(thread->context->options.log, LOG_DEBUG, "libmicrohttpd", fields);
}

static struct MHD_Daemon *start_daemon(struct event_thread *thread)
{
    return MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_request, thread,                              /**/
        MHD_OPTION_EXTERNAL_LOGGER, on_message, thread,              /* has to be the first */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX,              /* the table has its own */
        MHD_OPTION_CONNECTION_TIMEOUT, 0U,                           /* and its timeouts */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, /**/
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                             /**/
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, thread,         /**/
        MHD_OPTION_URI_LOG_CALLBACK, on_target, thread,              /**/
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, thread, MHD_OPTION_END);
}

/* libmicrohttpd closed its socket. */
static void undo_handover(struct event_thread *thread, struct handover *handover)
{
    if (handover->connection)
        connections_admit_undo(thread->context->connections, handover->connection);
    handover->connection = NULL;
}

/* Gives libmicrohttpd the next sockets; false at the pipe's end. It begins them at once (0.9.75) or
 * in the next run (1.0.1), and may fail in both. */
static bool take_up(struct event_thread *thread)
{
    ssize_t bytes = read(thread->read_fd, thread->handovers, sizeof thread->handovers);
    if (bytes <= 0)
        return bytes < 0 && errno == EINTR;
    thread->handover_count = (size_t)bytes / sizeof *thread->handovers;
    for (size_t i = 0; i < thread->handover_count; i++) {
        struct handover *next = &thread->handovers[i];
        if (MHD_add_connection(thread->daemon, next->fd,
                               (const struct sockaddr *)(const void *)&next->address,
                               next->address_size) != MHD_YES)
            undo_handover(thread, next);
    }
    return true;
}

/* After a run: whatever was not begun never will be. */
static void finish_handovers(struct event_thread *thread)
{
    for (size_t i = 0; i < thread->handover_count; i++)
        undo_handover(thread, &thread->handovers[i]);
    thread->handover_count = 0;
}

static bool has_more_to_do(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    return MHD_get_timeout(daemon, &wait_ms) == MHD_YES && wait_ms == 0;
}

static void *run(void *user)
{
    struct event_thread *thread = user;
    int epoll_fd = MHD_get_daemon_info(thread->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd fds[] = {{.fd = thread->read_fd, .events = POLLIN},
                           {.fd = thread->wake_fd, .events = POLLIN},
                           {.fd = epoll_fd, .events = POLLIN}};
    bool is_open = true;
    while (is_open) {
        if (poll(fds, sizeof fds / sizeof *fds, has_more_to_do(thread->daemon) ? 0 : -1) < 0)
            continue; /* a signal */
        if (fds[0].revents)
            is_open = take_up(thread);
        /* Before the run: whatever is resumed from here on wakes the next. */
        eventfd_t count;
        if (fds[1].revents)
            (void)eventfd_read(thread->wake_fd, &count);
        (void)MHD_run(thread->daemon);
        finish_handovers(thread);
    }
    return NULL;
}

enum status event_thread_create(struct http_context *context, struct event_thread **ret_thread,
                                struct error *error)
{
    struct event_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return error_set(error, STATUS_NO_MEMORY, "no memory for an event thread");
    thread->context = context;
    thread->read_fd = thread->write_fd = -1;
    thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) == 0) {
        thread->read_fd = fds[0];
        thread->write_fd = fds[1];
    }
    if (thread->wake_fd >= 0 && thread->read_fd >= 0)
        thread->daemon = start_daemon(thread);
    if (thread->daemon)
        thread->has_thread = pthread_create(&thread->thread, NULL, run, thread) == 0;
    if (!thread->has_thread) {
        event_thread_destroy(thread);
        return error_set(error, STATUS_IO, "cannot start an event thread");
    }
    *ret_thread = thread;
    return STATUS_OK;
}

bool event_thread_add(struct event_thread *thread, struct connection *connection, int fd,
                      const struct sockaddr *address, socklen_t size)
{
    struct handover handover = {.connection = connection, .fd = fd, .address_size = size};
    memcpy(&handover.address, address, size);
    ssize_t written;
    do {
        written = write(thread->write_fd, &handover, sizeof handover);
    } while (written < 0 && errno == EINTR);
    return written == sizeof handover;
}

void event_thread_destroy(struct event_thread *thread)
{
    if (!thread)
        return;
    if (thread->write_fd >= 0)
        (void)close(thread->write_fd);
    if (thread->has_thread)
        (void)pthread_join(thread->thread, NULL);
    if (thread->daemon)
        MHD_stop_daemon(thread->daemon);
    if (thread->read_fd >= 0)
        (void)close(thread->read_fd);
    if (thread->wake_fd >= 0)
        (void)close(thread->wake_fd);
    free(thread);
}
