/* Every open connection, what it is doing, and until when it may.
 *
 * libmicrohttpd knows inactivity only, and nothing at all of a connection that is suspended. So
 * each accepted socket is entered here, too: a connection is in one phase, each phase has one
 * timeout, and a thread of ours (connections_watch.c) ends what is overdue with shutdown(2), which
 * libmicrohttpd then sees as the client's end. It also sees when a client leaves while its request
 * is worked on. Over `max_connections` there is a reserve, in which only probes are answered. */
#ifndef CLASSIFYD_SERVER_HTTP_CONNECTIONS_H
#define CLASSIFYD_SERVER_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "server/metrics.h"
#include "server/pipeline/job.h"

struct connection;
struct connections;

enum connections_phase {
    CONNECTIONS_HEAD,    /* accepted, or a request line was read: the rest of the head */
    CONNECTIONS_BODY,    /* the body arrives */
    CONNECTIONS_WORKING, /* suspended: the request is with the pipeline */
    CONNECTIONS_SENDING, /* an answer is written */
    CONNECTIONS_IDLE,    /* kept alive between two requests */
    CONNECTIONS_PHASE_COUNT
};

struct connections_options {
    size_t max_connections; /* beside the reserve */
    size_t reserve;         /* also the number of sockets that linger */
    uint64_t timeout_us[CONNECTIONS_PHASE_COUNT];
    bool allow_half_close;   /* a client that shut its sending side down still waits */
    struct metrics *metrics; /* borrowed */
};

/* Starts the watching thread. Fails with STATUS_NO_MEMORY, STATUS_IO. Returns owned. */
MUST_CHECK enum status connections_create(const struct connections_options *options,
                                          struct connections **ret_connections,
                                          struct error *error);
/* When no event thread runs any more. Ends the thread; closes what lingers. Accepts NULL. */
void connections_destroy(struct connections *connections);

/* Enters an accepted socket, in phase head; NULL where even the reserve is used up: the caller
 * closes the socket. Where the reserve is full its oldest connection that sends nothing is ended to
 * make room; may block for a second where the event threads are behind. By the accepting thread.
 * Borrowed until connections_end, or connections_admit_undo. */
struct connection *connections_admit(struct connections *connections, int fd,
                                     const struct sockaddr *address);
/* Takes back what connections_admit entered: the socket, closed or not, never became a connection.
 */
void connections_admit_undo(struct connections *connections, struct connection *connection);

/* The event thread has taken the socket up. */
void connections_begin(struct connections *connections, struct connection *connection);
/* Just before the socket is closed. Where the client may still be sending, the socket lingers for
 * some seconds: closed with unread bytes it would be reset, and its last answer lost. */
void connections_end(struct connections *connections, struct connection *connection);

/* By the connection's event thread, as all that follow down to connections_begin_work. */
bool connections_is_reserve(const struct connection *connection);
/* Its address as text, without the port. */
const char *connections_client(const struct connection *connection);
/* Why it ended, as far as is known: PROBLEM_TIMEOUT (its time in a phase was over),
 * PROBLEM_CLIENT_GONE, or PROBLEM_NONE. */
enum problem_code connections_cause(struct connections *connections,
                                    const struct connection *connection);
/* The answer does not wait for the request's body, which may still be under way. */
void connections_set_unread(struct connections *connections, struct connection *connection);

void connections_enter(struct connections *connections, struct connection *connection,
                       enum connections_phase phase);

/* Enters phase working: from now on `job` (borrowed until the next connections_enter) is aborted
 * when it is overdue, when its client leaves, or by connections_drain_abort. To be called once for
 * each connections_settle. Not PROBLEM_NONE: it is too late already, for this reason. */
enum problem_code connections_begin_work(struct connections *connections,
                                         struct connection *connection, struct job *job);
/* The connection was resumed, and whoever did it touches nothing of it any more. Any thread. */
void connections_settle(struct connections *connections);

#endif
