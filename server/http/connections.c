#include "server/http/connections.h"

#include <arpa/inet.h>
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

void connections_shut(struct connection *connection, int how)
{
    /* Under the mutex, so that the descriptor is not another socket's meanwhile; never blocks. */
    (void)shutdown(connection->fd, how);
    if (how == SHUT_RDWR)
        connection->is_ended = true;
    else
        connection->is_reading_ended = true;
}

void connections_wake(struct connections *connections)
{
    uint64_t one = 1;
    ssize_t written = write(connections->wake_fd, &one, sizeof one);
    (void)written; /* fails only where the counter is full, and then it is awake */
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
    /* Sockets that no event thread had taken up yet. */
    for (size_t i = 0; i < connections->capacity; i++)
        if (connections->by_fd[i]) {
            metrics_gauge_add(connections->options.metrics, METRICS_OPEN_CONNECTIONS, -1);
            free(connections->by_fd[i]);
        }
    free(connections->by_fd);
    if (connections->wake_fd >= 0)
        (void)close(connections->wake_fd);
    if (connections->epoll_fd >= 0)
        (void)close(connections->epoll_fd);
    pthread_cond_destroy(&connections->changed);
    pthread_mutex_destroy(&connections->mutex);
    free(connections);
}

static void format_client(const struct sockaddr *address, char ret_text[INET6_ADDRSTRLEN])
{
    const void *bytes = NULL;
    int family = address->sa_family;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *six =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(six);
        family = is_mapped ? AF_INET : AF_INET6;
        bytes = six->s6_addr + (is_mapped ? 12 : 0);
    }
    if (!bytes || !inet_ntop(family, bytes, ret_text, INET6_ADDRSTRLEN))
        strcpy(ret_text, "unknown");
}

/* With the mutex: takes it out of the table; the caller frees it. */
static void remove_entry(struct connections *connections, struct connection *connection)
{
    connections_unlist(connections, connection);
    connections->by_fd[connection->fd] = NULL;
    connections->open--;
    if (!connection->is_reserve)
        connections->open_ordinary--;
    else if (!connection->is_ended)
        connections->open_reserve--;
    metrics_gauge_add(connections->options.metrics, METRICS_OPEN_CONNECTIONS, -1);
}

static bool grow(struct connections *connections, int fd)
{
    size_t needed = (size_t)fd + 1, capacity = connections->capacity;
    if (needed <= capacity)
        return true;
    capacity = needed > 2 * capacity ? needed : 2 * capacity;
    struct connection **by_fd = realloc(connections->by_fd, capacity * sizeof(struct connection *));
    if (!by_fd)
        return false;
    memset(by_fd + connections->capacity, 0,
           (capacity - connections->capacity) * sizeof(struct connection *));
    connections->by_fd = by_fd;
    connections->capacity = capacity;
    return true;
}

/* With the mutex: whether there is room in the reserve, made where it can be. */
static bool make_room(struct connections *connections)
{
    const struct connections_options *options = &connections->options;
    if (connections->open >= options->max_connections + 2 * options->reserve)
        return false; /* those that were ended are not closed yet */
    if (connections->open_reserve < options->reserve)
        return true;
    struct connection *oldest = connections->lists[CONNECTIONS_LIST_RESERVE].first;
    if (!oldest || !oldest->is_started)
        return false;
    connections_unlist(connections, oldest);
    connections_shut(oldest, SHUT_RDWR);
    connections->open_reserve--;
    return true;
}

bool connections_admit(struct connections *connections, int fd, const struct sockaddr *address)
{
    struct connection *connection = calloc(1, sizeof *connection), *lost = NULL;
    if (!connection)
        return false;
    connection->fd = fd;
    connection->list = CONNECTIONS_LIST_NONE;
    format_client(address, connection->client);

    bool must_wake = false;
    pthread_mutex_lock(&connections->mutex);
    bool is_admitted = grow(connections, fd);
    if (is_admitted && connections->by_fd[fd]) {
        /* libmicrohttpd ran out of memory and closed it without a word. */
        lost = connections->by_fd[fd];
        remove_entry(connections, lost);
    }
    connection->is_reserve = connections->open_ordinary >= connections->options.max_connections;
    if (is_admitted && connection->is_reserve)
        is_admitted = make_room(connections);
    if (is_admitted) {
        connections->by_fd[fd] = connection;
        connection->generation = connections->generation++ & INT32_MAX;
        connections->open++;
        connections->open_ordinary += !connection->is_reserve;
        connections->open_reserve += connection->is_reserve;
        must_wake = connections_enlist(connections, connection,
                                       connection->is_reserve ? (unsigned)CONNECTIONS_LIST_RESERVE
                                                              : (unsigned)CONNECTIONS_HEAD,
                                       clock_now_us());
        metrics_gauge_add(connections->options.metrics, METRICS_OPEN_CONNECTIONS, 1);
    }
    pthread_mutex_unlock(&connections->mutex);
    if (must_wake)
        connections_wake(connections);
    free(lost);
    if (!is_admitted)
        free(connection);
    return is_admitted;
}

void connections_announce(struct connections *connections)
{
    if (connections->open == 0 && connections->lingering.count == 0)
        pthread_cond_broadcast(&connections->changed);
}

void connections_withdraw(struct connections *connections, int fd)
{
    pthread_mutex_lock(&connections->mutex);
    struct connection *connection = connections->by_fd[fd];
    remove_entry(connections, connection);
    connections_announce(connections);
    pthread_mutex_unlock(&connections->mutex);
    free(connection);
}

struct connection *connections_begin(struct connections *connections, int fd)
{
    pthread_mutex_lock(&connections->mutex);
    struct connection *connection = connections->by_fd[fd];
    connection->is_started = true;
    uint64_t mark = (uint64_t)connection->generation << 32 | (uint32_t)fd;
    pthread_mutex_unlock(&connections->mutex);
    /* Edge-triggered: one event when the client's end comes, whatever the phase. Without memory for
     * it a client that leaves is noticed when its answer is written. */
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.u64 = mark};
    (void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    return connection;
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
    remove_entry(connections, connection);
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

bool connections_is_overdue(struct connections *connections, const struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    bool is_overdue = connection->is_overdue;
    pthread_mutex_unlock(&connections->mutex);
    return is_overdue;
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
    connection->request = NULL;
    if (connection->is_ended)
        return false;
    if (phase == CONNECTIONS_IDLE && connections->is_draining && !connection->is_reading_ended)
        connections_shut(connection, SHUT_RD);
    bool is_asking = phase == CONNECTIONS_HEAD || phase == CONNECTIONS_IDLE;
    return connections_enlist(
        connections, connection,
        connection->is_reserve && is_asking ? (unsigned)CONNECTIONS_LIST_RESERVE : (unsigned)phase,
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
                                         struct connection *connection, struct request *request)
{
    pthread_mutex_lock(&connections->mutex);
    connections->unsettled++;
    bool must_wake = enter(connections, connection, CONNECTIONS_WORKING);
    enum problem_code code = connections->is_aborting                      ? PROBLEM_DRAINING
                             : connection->is_gone || connection->is_ended ? PROBLEM_CLIENT_GONE
                                                                           : PROBLEM_NONE;
    connection->request = request;
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
