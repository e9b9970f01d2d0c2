/* The end of all connections, step by step; in this order. */
#ifndef CLASSIFYD_SERVER_HTTP_CONNECTIONS_DRAIN_H
#define CLASSIFYD_SERVER_HTTP_CONNECTIONS_DRAIN_H

#include "server/http/connections.h"

/* From now on idle connections are ended, at once and when they become idle; those that have sent
 * no request end soon. What they had already sent is still read and answered. Any thread. */
void connections_drain_begin(struct connections *connections);

/* Blocks until none is open, or until `deadline_us`. */
void connections_drain_wait(struct connections *connections, uint64_t deadline_us);

/* Aborts all work with PROBLEM_DRAINING, and lets none begin from now on; ends connections whose
 * request has not arrived. Returns how many requests that were. Any thread. */
size_t connections_drain_abort(struct connections *connections);

/* Blocks until every work begun is settled. */
void connections_drain_settle(struct connections *connections);

#endif
