#include "server/http/connections_drain.h"

#include <errno.h>

#include "model/base/clock.h"
#include "server/http/connections_table.h"

void connections_drain_begin(struct connections *connections)
{
    pthread_mutex_lock(&connections->mutex);
    connections->is_draining = true;
    connections->draining_since_us = clock_now_us();
    for (struct connection *next, *at = connections->lists[CONNECTIONS_IDLE].first; at; at = next) {
        next = at->next;
        connections_unlist(connections, at);
        connections_shut(connections, at, SHUT_RD);
    }
    /* The thread must learn of deadlines that came nearer. */
    connections->wake_at_us = 0;
    pthread_mutex_unlock(&connections->mutex);
    connections_wake(connections);
}

void connections_drain_wait(struct connections *connections, uint64_t deadline_us)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_us / 1000000),
                                .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    pthread_mutex_lock(&connections->mutex);
    while (connections->open > 0 || connections->lingering.count > 0)
        if (pthread_cond_timedwait(&connections->changed, &connections->mutex, &deadline) ==
            ETIMEDOUT)
            break;
    pthread_mutex_unlock(&connections->mutex);
}

size_t connections_drain_abort(struct connections *connections)
{
    size_t count = 0;
    pthread_mutex_lock(&connections->mutex);
    connections->is_aborting = true;
    static const enum connections_list_index unfinished[] = {
        (enum connections_list_index)CONNECTIONS_BODY,
        (enum connections_list_index)CONNECTIONS_HEAD, CONNECTIONS_LIST_RESERVE};
    for (unsigned i = 0; i < sizeof unfinished / sizeof *unfinished; i++)
        for (struct connection *next, *at = connections->lists[unfinished[i]].first; at;
             at = next) {
            next = at->next;
            count += at->phase == CONNECTIONS_BODY;
            if (at->is_started)
                connections_shut(connections, at, SHUT_RD);
        }
    while (connections->lists[CONNECTIONS_WORKING].first) {
        count++;
        connections_watch_abort(connections, connections->lists[CONNECTIONS_WORKING].first,
                                PROBLEM_DRAINING);
    }
    pthread_mutex_unlock(&connections->mutex);
    return count;
}

void connections_drain_settle(struct connections *connections)
{
    pthread_mutex_lock(&connections->mutex);
    while (connections->unsettled > 0)
        pthread_cond_wait(&connections->changed, &connections->mutex);
    pthread_mutex_unlock(&connections->mutex);
}
