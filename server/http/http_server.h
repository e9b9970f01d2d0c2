/* HTTP/1.1: connections in, replies out. The only folder that knows libmicrohttpd.
 *
 * Listens from http_server_create on; requests are routed by the adapters' tables, their bodies
 * collected within the limits, their items sent through the pipeline while the connection is
 * suspended, and their answers written when the job is done. */
#ifndef CLASSIFYD_SERVER_HTTP_HTTP_SERVER_H
#define CLASSIFYD_SERVER_HTTP_HTTP_SERVER_H

#include "server/api/adapter.h"
#include "server/log.h"
#include "server/pipeline/pipeline.h"

struct http_server;

struct http_server_options {
    const char *host;       /* a name or an address, IPv4 or IPv6; "localhost" is both loopbacks;
                               "" and "*" are every address */
    uint16_t port;          /* 0: any; the same one on each address */
    unsigned event_threads; /* >= 1 */
    size_t max_connections; /* beside the reserve for probes */
    size_t max_requests;    /* that have a ticket: admitted and not answered */
    size_t max_body_bytes;
    uint64_t header_timeout_us, body_timeout_us, idle_timeout_us, send_timeout_us;
    uint64_t request_timeout_us; /* from its last body byte to its answer */
    bool allow_half_close;       /* a client that shut its sending side down still waits */

    const struct adapter *adapters; /* [adapter_count]; borrowed, as everything below */
    size_t adapter_count;           /* the first formats problems of paths that are nobody's */
    struct pipeline *pipeline;
    struct budget *budget; /* bodies are charged to it */
    struct metrics *metrics;
    struct log *log; /* one line a request */
};

/* Binds, listens and answers. Fails with STATUS_IO (address in use, not permitted, unknown host:
 * the text names host and port), STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status http_server_create(const struct http_server_options *options,
                                          struct http_server **ret_server, struct error *error);

/* "http://127.0.0.1:8080": for a person and for tests; the first address listened on. Borrowed. */
const char *http_server_url(const struct http_server *server);

/* From now on every answer says `Connection: close` and idle connections are closed after their
 * next answer. New ones are still served. */
void http_server_close_connections(struct http_server *server);

/* Lets no connection begin, accepts what sits in the backlog (for 2 s at most), then listens no
 * more; waits until every admitted request has been answered and its answer written out, at most
 * until `deadline_us` (clock_now_us); then aborts what is left with PROBLEM_DRAINING and writes
 * those answers, for 2 s at most. Blocks. Returns how many requests were aborted. */
size_t http_server_drain(struct http_server *server, uint64_t deadline_us);

/* Ends the threads and closes everything. After http_server_drain, or at once. Accepts NULL. */
void http_server_destroy(struct http_server *server);

#endif
