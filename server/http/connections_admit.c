/* Which new connections are taken. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/clock.h"
#include "server/http/connections_table.h"

/* How long a new connection over the limit waits for the event threads to end another. */
enum { ROOM_TIMEOUT_S = 1 };

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
        (void)snprintf(ret_text, INET6_ADDRSTRLEN, "unknown");
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

/* With the mutex: ends the oldest of the reserve that sends nothing, once the event thread knows
 * it. Whether there is room now. */
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
    connections_shut(connections, oldest, SHUT_RDWR);
    return true;
}

/* With the mutex: whether the connection may be opened; says of which kind it is. */
static bool find_room(struct connections *connections, struct connection *connection)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ROOM_TIMEOUT_S;
    int code = 0;
    for (;;) {
        connection->is_reserve = connections->open_ordinary >= connections->options.max_connections;
        if (!connection->is_reserve || make_room(connections))
            return true;
        if (code)
            return false;
        /* Accepting faster than the event threads take up would only refuse more. */
        connections->is_waiting_for_room = true;
        code = pthread_cond_timedwait(&connections->changed, &connections->mutex, &end);
        connections->is_waiting_for_room = false;
    }
}

struct connection *connections_admit(struct connections *connections, int fd,
                                     const struct sockaddr *address)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->fd = fd;
    connection->list = CONNECTIONS_LIST_NONE;
    format_client(address, connection->client);

    bool must_wake = false;
    pthread_mutex_lock(&connections->mutex);
    bool is_admitted = grow(connections, fd) && find_room(connections, connection);
    if (is_admitted) {
        connections->by_fd[fd] = connection;
        connection->generation = connections->generation++ & INT32_MAX;
        connections->open++;
        connections->open_ordinary += !connection->is_reserve;
        connections->open_reserve += connection->is_reserve;
        must_wake = connections_enlist(connections, connection, connections_choose_list(connection),
                                       clock_now_us());
        metrics_gauge_add(connections->options.metrics, METRICS_OPEN_CONNECTIONS, 1);
    }
    pthread_mutex_unlock(&connections->mutex);
    if (must_wake)
        connections_wake(connections);
    if (is_admitted)
        return connection;
    free(connection);
    return NULL;
}

void connections_admit_undo(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    connections_remove(connections, connection);
    connections_announce(connections);
    pthread_mutex_unlock(&connections->mutex);
    free(connection);
}
