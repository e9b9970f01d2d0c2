#include "server/http/connections.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/http/connections_table.h"

/* A connection of the reserve is for a probe: it asks at once, or makes room. */
#define RESERVE_TIMEOUT_US UINT64_C(2000000)
/* For libmicrohttpd to read what had arrived before a client's end. */
#define LEFT_TIMEOUT_US UINT64_C(1000000)
/* How long a connection just accepted may take to ask while the server shuts down. */
#define DRAIN_HEAD_US UINT64_C(1000000)

void connections_unlist(struct connections *connections, struct connection *connection)
{
    if (connection->list == CONNECTIONS_LIST_NONE)
        return;
    struct connections_list *list = &connections->lists[connection->list];
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        list->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        list->last = connection->previous;
    connection->previous = connection->next = NULL;
    connection->list = CONNECTIONS_LIST_NONE;
}

uint64_t connections_deadline(const struct connections *connections, unsigned index)
{
    const struct connections_list *list = &connections->lists[index];
    if (!list->first)
        return UINT64_MAX;
    uint64_t since_us = list->first->since_us, timeout_us = list->timeout_us;
    bool is_asking = index == CONNECTIONS_HEAD || index == CONNECTIONS_LIST_RESERVE;
    if (connections->is_draining && is_asking) {
        if (since_us < connections->draining_since_us)
            since_us = connections->draining_since_us;
        if (timeout_us > DRAIN_HEAD_US)
            timeout_us = DRAIN_HEAD_US;
    }
    return since_us + timeout_us;
}

bool connections_enlist(struct connections *connections, struct connection *connection,
                        unsigned index, uint64_t now_us)
{
    struct connections_list *list = &connections->lists[index];
    connection->list = index;
    connection->since_us = now_us;
    connection->previous = list->last;
    if (list->last)
        list->last->next = connection;
    else
        list->first = connection;
    list->last = connection;
    uint64_t deadline_us = connections_deadline(connections, index);
    if (deadline_us >= connections->wake_at_us)
        return false;
    connections->wake_at_us = deadline_us;
    return true;
}

void connections_shut(struct connections *connections, struct connection *connection, int how)
{
    /* Under the mutex, so that the descriptor is not another socket's meanwhile; never blocks. */
    (void)shutdown(connection->fd, how);
    if (how == SHUT_RD) {
        connection->is_reading_ended = true;
    } else if (!connection->is_ended) {
        connection->is_ended = true;
        connections->open_reserve -= connection->is_reserve;
    }
}

void connections_wake(struct connections *connections)
{
    (void)eventfd_write(connections->wake_fd, 1); /* fails only where it is awake anyhow */
}

static enum status open_descriptors(struct connections *connections, struct error *error)
{
    connections->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    if (connections->epoll_fd < 0 || connections->wake_fd < 0 ||
        epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, connections->wake_fd, &event))
        return error_set(error, STATUS_IO, "cannot watch connections: %s", strerror(errno));
    return STATUS_OK;
}

enum status connections_create(const struct connections_options *options,
                               struct connections **ret_connections, struct error *error)
{
    struct connections *connections = calloc(1, sizeof *connections);
    if (!connections)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the table of connections");
    connections->options = *options;
    connections->epoll_fd = connections->wake_fd = -1;
    connections->wake_at_us = UINT64_MAX;
    for (unsigned i = 0; i < CONNECTIONS_PHASE_COUNT; i++)
        connections->lists[i].timeout_us = options->timeout_us[i];
    uint64_t head_timeout_us = options->timeout_us[CONNECTIONS_HEAD];
    connections->lists[CONNECTIONS_LIST_RESERVE].timeout_us =
        head_timeout_us < RESERVE_TIMEOUT_US ? head_timeout_us : RESERVE_TIMEOUT_US;
    connections->lists[CONNECTIONS_LIST_LEFT].timeout_us = LEFT_TIMEOUT_US;
    pthread_mutex_init(&connections->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&connections->changed, &attributes);
    pthread_condattr_destroy(&attributes);

    enum status status = open_descriptors(connections, error);
    if (!status && pthread_create(&connections->thread, NULL, connections_watch_run, connections))
        status = error_set(error, STATUS_NO_MEMORY, "cannot start the thread of connections");
    else if (!status)
        connections->has_thread = true;
    if (status) {
        connections_destroy(connections);
        return status;
    }
    *ret_connections = connections;
    return STATUS_OK;
}

void connections_destroy(struct connections *connections)
{
    if (!connections)
        return;
    if (connections->has_thread) {
        pthread_mutex_lock(&connections->mutex);
        connections->is_stopping = true;
        pthread_mutex_unlock(&connections->mutex);
        connections_wake(connections);
        pthread_join(connections->thread, NULL);
    }
    lingering_close_all(&connections->lingering);
    assert(connections->open == 0); /* the event threads took up, and ended, all of them */
    free(connections->by_fd);
    if (connections->wake_fd >= 0)
        (void)close(connections->wake_fd);
    if (connections->epoll_fd >= 0)
        (void)close(connections->epoll_fd);
    pthread_cond_destroy(&connections->changed);
    pthread_mutex_destroy(&connections->mutex);
    free(connections);
}

/* With the mutex. */
static void announce_room(struct connections *connections)
{
    if (connections->is_waiting_for_room)
        pthread_cond_broadcast(&connections->changed);
}

void connections_remove(struct connections *connections, struct connection *connection)
{
    connections_unlist(connections, connection);
    /* Where it was not begun, its number may be another's by now. */
    if (connections->by_fd[connection->fd] == connection)
        connections->by_fd[connection->fd] = NULL;
    connections->open--;
    if (!connection->is_reserve)
        connections->open_ordinary--;
    else if (!connection->is_ended)
        connections->open_reserve--;
    metrics_gauge_add(connections->options.metrics, METRICS_OPEN_CONNECTIONS, -1);
    announce_room(connections);
}

void connections_announce(struct connections *connections)
{
    if (connections->open == 0 && connections->lingering.count == 0)
        pthread_cond_broadcast(&connections->changed);
}

unsigned connections_choose_list(const struct connection *connection)
{
    enum connections_phase phase = connection->phase;
    if (connection->is_half_closed && phase != CONNECTIONS_WORKING && phase != CONNECTIONS_SENDING)
        return CONNECTIONS_LIST_LEFT;
    bool is_asking = phase == CONNECTIONS_HEAD || phase == CONNECTIONS_IDLE;
    return connection->is_reserve && is_asking ? (unsigned)CONNECTIONS_LIST_RESERVE
                                               : (unsigned)phase;
}

void connections_begin(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    connection->is_started = true;
    announce_room(connections);
    uint64_t mark = (uint64_t)connection->generation << 32 | (uint32_t)connection->fd;
    pthread_mutex_unlock(&connections->mutex);
    /* Edge-triggered: one event when the client's end comes, whatever the phase. Without memory for
     * it a client that leaves is noticed when its answer is written. */
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.u64 = mark};
    (void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event);
}

void connections_end(struct connections *connections, struct connection *connection)
{
    /* Also where a copy of the descriptor stays open, as in lingering. */
    (void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    bool must_wake = false;
    pthread_mutex_lock(&connections->mutex);
    bool is_unread = connection->is_unread || connection->phase == CONNECTIONS_HEAD ||
                     connection->phase == CONNECTIONS_BODY;
    if (is_unread && !connection->is_ended && !connection->is_gone && !connections->is_aborting &&
        connections->lingering.count < connections->options.reserve) {
        uint64_t now_us = clock_now_us();
        lingering_add(&connections->lingering, connection->fd, connections->epoll_fd,
                      CONNECTIONS_LINGER_MARK, now_us);
        must_wake = connections->lingering.count == 1;
    }
    connections_remove(connections, connection);
    connections_announce(connections);
    pthread_mutex_unlock(&connections->mutex);
    if (must_wake)
        connections_wake(connections);
    free(connection);
}

bool connections_is_reserve(const struct connection *connection)
{
    return connection->is_reserve;
}

const char *connections_client(const struct connection *connection)
{
    return connection->client;
}

enum problem_code connections_cause(struct connections *connections,
                                    const struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    enum problem_code cause = connection->is_overdue ? PROBLEM_TIMEOUT
                              : connection->is_gone  ? PROBLEM_CLIENT_GONE
                                                     : PROBLEM_NONE;
    pthread_mutex_unlock(&connections->mutex);
    return cause;
}

void connections_set_unread(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    connection->is_unread = true;
    pthread_mutex_unlock(&connections->mutex);
}

/* With the mutex; whether the thread must be woken. */
static bool enter(struct connections *connections, struct connection *connection,
                  enum connections_phase phase)
{
    connections_unlist(connections, connection);
    connection->phase = phase;
    connection->job = NULL;
    if (connection->is_ended)
        return false;
    if (phase == CONNECTIONS_IDLE && connections->is_draining && !connection->is_reading_ended)
        connections_shut(connections, connection, SHUT_RD);
    return connections_enlist(connections, connection, connections_choose_list(connection),
                              clock_now_us());
}

void connections_enter(struct connections *connections, struct connection *connection,
                       enum connections_phase phase)
{
    pthread_mutex_lock(&connections->mutex);
    /* A fresh connection's head began when it was accepted. */
    bool must_wake = phase == CONNECTIONS_HEAD && connection->phase == CONNECTIONS_HEAD
                         ? false
                         : enter(connections, connection, phase);
    pthread_mutex_unlock(&connections->mutex);
    if (must_wake)
        connections_wake(connections);
}

enum problem_code connections_begin_work(struct connections *connections,
                                         struct connection *connection, struct job *job)
{
    pthread_mutex_lock(&connections->mutex);
    connections->unsettled++;
    bool must_wake = enter(connections, connection, CONNECTIONS_WORKING);
    enum problem_code code = connections->is_aborting                      ? PROBLEM_DRAINING
                             : connection->is_gone || connection->is_ended ? PROBLEM_CLIENT_GONE
                                                                           : PROBLEM_NONE;
    connection->job = job;
    pthread_mutex_unlock(&connections->mutex);
    if (must_wake)
        connections_wake(connections);
    return code;
}

void connections_settle(struct connections *connections)
{
    pthread_mutex_lock(&connections->mutex);
    if (--connections->unsettled == 0)
        pthread_cond_broadcast(&connections->changed);
    pthread_mutex_unlock(&connections->mutex);
}
