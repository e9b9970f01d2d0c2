/* The thread that ends what is overdue and notices who has gone away. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "model/base/clock.h"
#include "server/http/connections_table.h"

enum { EVENTS_A_TURN = 64 };

void connections_watch_abort(struct connections *connections, struct connection *connection,
                             enum problem_code code)
{
    struct job *job = connection->job;
    connections_unlist(connections, connection);
    if (!job)
        return;
    connection->job = NULL; /* once is enough */
    (void)job_retain(job);
    pthread_mutex_unlock(&connections->mutex);
    job_abort(job, code, problem_kind(code)->meaning);
    job_destroy(job);
    pthread_mutex_lock(&connections->mutex);
}

/* The first of the list has had its time. */
static void end_overdue(struct connections *connections, unsigned index, uint64_t now_us)
{
    struct connection *connection = connections->lists[index].first;
    if (index == CONNECTIONS_WORKING) {
        connections_watch_abort(connections, connection, PROBLEM_TIMEOUT);
        return;
    }
    connections_unlist(connections, connection);
    if (!connection->is_started) {
        /* The event thread is busy; and the descriptor may not be shut down before it took it. */
        (void)connections_enlist(connections, connection, index, now_us);
        return;
    }
    if (index == CONNECTIONS_LIST_LEFT) {
        int unread = 0;
        if (ioctl(connection->fd, FIONREAD, &unread) == 0 && unread > 0)
            (void)connections_enlist(connections, connection, index, now_us);
        else
            connections_shut(connections, connection, SHUT_RDWR);
        return;
    }
    bool is_asking = index == CONNECTIONS_HEAD || index == CONNECTIONS_LIST_RESERVE;
    if (connection->phase == CONNECTIONS_IDLE || (connections->is_draining && is_asking)) {
        connections_shut(connections, connection, SHUT_RD);
        return;
    }
    connection->is_overdue = true;
    connections_shut(connections, connection, SHUT_RDWR);
}

/* With the mutex; when the next is overdue. */
static uint64_t end_all_overdue(struct connections *connections, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    for (unsigned i = 0; i < CONNECTIONS_LIST_COUNT; i++) {
        uint64_t deadline_us;
        while ((deadline_us = connections_deadline(connections, i)) <= now_us)
            end_overdue(connections, i, now_us);
        if (deadline_us < next_us)
            next_us = deadline_us;
    }
    uint64_t linger_us = lingering_expire(&connections->lingering, now_us);
    return linger_us < next_us ? linger_us : next_us;
}

static void handle(struct connections *connections, const struct epoll_event *event)
{
    uint64_t mark = event->data.u64;
    if (mark == UINT64_MAX) {
        eventfd_t count;
        (void)eventfd_read(connections->wake_fd, &count);
        return;
    }
    int fd = (int)(uint32_t)mark;
    if (mark & CONNECTIONS_LINGER_MARK) {
        lingering_read(&connections->lingering, fd);
        return;
    }
    struct connection *connection =
        (size_t)fd < connections->capacity ? connections->by_fd[fd] : NULL;
    if (!connection || connection->generation != (uint32_t)(mark >> 32) || connection->is_ended)
        return;
    bool is_half = !(event->events & (EPOLLHUP | EPOLLERR));
    if (is_half && connection->is_reading_ended)
        return; /* our own doing */
    connection->is_half_closed = true;
    connection->is_gone = !is_half || !connections->options.allow_half_close;
    if (connection->phase == CONNECTIONS_WORKING && connection->is_gone) {
        connections_watch_abort(connections, connection, PROBLEM_CLIENT_GONE);
    } else if (connection->phase != CONNECTIONS_WORKING &&
               connection->phase != CONNECTIONS_SENDING) {
        connections_unlist(connections, connection);
        (void)connections_enlist(connections, connection, CONNECTIONS_LIST_LEFT, clock_now_us());
    }
}

static int milliseconds_until(uint64_t then_us, uint64_t now_us)
{
    if (then_us == UINT64_MAX)
        return -1;
    if (then_us <= now_us)
        return 0;
    uint64_t left_ms = (then_us - now_us + 999) / 1000;
    return left_ms > 3600000 ? 3600000 : (int)left_ms;
}

void *connections_watch_run(void *user)
{
    struct connections *connections = user;
    pthread_mutex_lock(&connections->mutex);
    while (!connections->is_stopping) {
        uint64_t now_us = clock_now_us();
        /* Whatever is listed while the mutex is given up wakes the wait below. */
        connections->wake_at_us = UINT64_MAX;
        uint64_t wake_at_us = end_all_overdue(connections, now_us);
        if (wake_at_us < connections->wake_at_us)
            connections->wake_at_us = wake_at_us;
        connections_announce(connections);
        if (connections->is_stopping)
            break;
        pthread_mutex_unlock(&connections->mutex);

        struct epoll_event events[EVENTS_A_TURN];
        int count = epoll_wait(connections->epoll_fd, events, EVENTS_A_TURN,
                               milliseconds_until(wake_at_us, now_us));
        pthread_mutex_lock(&connections->mutex);
        for (int i = 0; i < count; i++)
            handle(connections, &events[i]);
    }
    pthread_mutex_unlock(&connections->mutex);
    return NULL;
}
