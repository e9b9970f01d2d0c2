/* What connections.c and connections_watch.c share; nobody else includes it. */
#ifndef CLASSIFYD_SERVER_HTTP_CONNECTIONS_TABLE_H
#define CLASSIFYD_SERVER_HTTP_CONNECTIONS_TABLE_H

#include <netinet/in.h>
#include <pthread.h>

#include "server/http/connections.h"
#include "server/http/lingering.h"

/* In an epoll event's number: of a lingering socket, not of a connection. */
#define CONNECTIONS_LINGER_MARK (UINT64_C(1) << 63)

/* One a phase; one for connections of the reserve that wait for a request; one for half-closed ones
 * of which that may be all: libmicrohttpd waits for the next edge of epoll after a short read, and
 * where the client's end came before that read, there is none. As each list has one timeout, its
 * first is always the next to be overdue. */
enum connections_list_index {
    CONNECTIONS_LIST_RESERVE = CONNECTIONS_PHASE_COUNT,
    CONNECTIONS_LIST_LEFT,
    CONNECTIONS_LIST_COUNT,
    CONNECTIONS_LIST_NONE
};

struct connections_list {
    struct connection *first, *last;
    uint64_t timeout_us;
};

struct connection {
    int fd;
    uint32_t generation; /* tells a late event of an earlier connection with this number */
    char client[INET6_ADDRSTRLEN];
    bool is_reserve;

    /* Guarded by the table's mutex. */
    enum connections_phase phase;
    unsigned list;
    struct connection *previous, *next; /* in the list */
    uint64_t since_us;                  /* when it entered the list */
    struct job *job;                    /* in phase working */
    bool is_started;                    /* the event thread knows it: its socket is open */
    bool is_overdue, is_ended;          /* shut down by us */
    bool is_reading_ended;              /* its receiving side only */
    bool is_half_closed;                /* the client sends no more */
    bool is_gone;                       /* the client left */
    bool is_unread;
};

struct connections {
    struct connections_options options;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* empty, settled or with room; CLOCK_MONOTONIC */
    /* Guarded by `mutex`: */
    struct connection **by_fd; /* [capacity], NULL where there is none */
    size_t capacity;
    uint32_t generation;
    size_t open, open_ordinary, open_reserve; /* open_reserve without those that we ended */
    size_t unsettled;
    struct connections_list lists[CONNECTIONS_LIST_COUNT];
    struct lingering lingering;
    uint64_t wake_at_us; /* when the watching thread looks by itself */
    uint64_t draining_since_us;
    bool is_waiting_for_room, is_draining, is_aborting, is_stopping;
};

/* All with the mutex held. */
void connections_unlist(struct connections *connections, struct connection *connection);
/* When the list's first is overdue; UINT64_MAX: never. */
uint64_t connections_deadline(const struct connections *connections, unsigned list);
/* Puts it last, `now_us` being when its time begins; whether the thread must be woken. */
bool connections_enlist(struct connections *connections, struct connection *connection,
                        unsigned list, uint64_t now_us);
/* By its phase and what is known of its client. */
unsigned connections_choose_list(const struct connection *connection);
/* Takes it out of the table; the caller frees it. */
void connections_remove(struct connections *connections, struct connection *connection);
/* shutdown(2); an idle one's receiving side only, so that what it had sent is still answered. */
void connections_shut(struct connections *connections, struct connection *connection, int how);

/* Any thread, without the mutex. */
void connections_wake(struct connections *connections);

/* Wakes waiters where nothing is open any more. With the mutex. */
void connections_announce(struct connections *connections);

/* Aborts the connection's job; the mutex is held before and after, but not meanwhile. */
void connections_watch_abort(struct connections *connections, struct connection *connection,
                             enum problem_code code);

/* The watching thread; `user` is the table. */
void *connections_watch_run(void *user);

#endif
