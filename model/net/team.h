/* A few threads that run one function together, with a barrier between its parts. */
#ifndef CLASSIFYD_MODEL_NET_TEAM_H
#define CLASSIFYD_MODEL_NET_TEAM_H

#include "model/base/numa.h"
#include "model/base/status.h"

struct team;

/* `threads` (>= 1) members, the thread that calls team_run among them as the first; the others are
 * started here and wait. They run where this thread may, or, with `spread` (nodes; NULL: none),
 * each on its share of the nodes (numa_topology_share). Fails with STATUS_NO_MEMORY. Returns owned.
 */
MUST_CHECK enum status team_create(unsigned threads, const struct numa_topology *spread,
                                   struct team **ret_team, struct error *error);

/* Ends the threads. Not while team_run is under way. Accepts NULL. */
void team_destroy(struct team *team);

unsigned team_size(const struct team *team);

/* Runs `work` once on every member and returns when all have come back. One caller at a time. */
void team_run(struct team *team, void (*work)(void *user, struct team *team, unsigned member),
              void *user);

/* Within `work`: waits until every member is here. What one wrote before, all read after. */
void team_barrier(struct team *team);

#endif
