/* One image that is asked for: its way through redirects, its time, and how its end is told.
 * Belongs to the fetcher's thread, once it was made. */
#ifndef CLASSIFYD_SERVER_FETCH_FETCH_H
#define CLASSIFYD_SERVER_FETCH_FETCH_H

#include "server/fetch/fetch_queue.h"
#include "server/fetch/fetcher.h"
#include "server/fetch/url.h"

struct fetch {
    struct fetch_queue_entry entry; /* first, so that an entry is its fetch */
    struct fetch *next;             /* in the fetcher's inbox */
    struct fetcher_request request; /* its url: owned */
    struct url url;                 /* of this hop */
    char first_host[URL_HOST_BYTES];
    unsigned redirects;
    bool has_had_turn;
    uint64_t submitted_us, turn_us;
    uint64_t end_us; /* when it is too late; UINT64_MAX: never */
};

/* NULL without memory. Ends in fetch_succeed, fetch_fail or fetch_end_early, which free it. */
struct fetch *fetch_create(const struct fetcher_request *request);

/* Takes the URL of the next hop apart and shows it to the policy. PROBLEM_NONE: it is the fetch's
 * now. Otherwise the fetch is as before, and `error` says why. */
MUST_CHECK enum problem_code fetch_set_url(struct fetch *fetch, const struct url_policy *policy,
                                           const char *text, struct error *error);

/* Asks whoever submitted it. */
bool fetch_is_wanted(const struct fetch *fetch);

/* Why a fetch that waits, or is about to start, has to end; PROBLEM_NONE: it goes on. */
enum problem_code fetch_find_end(const struct fetch *fetch, uint64_t now_us);

/* It is its turn: from the first one on, `timeout_us` is left. */
void fetch_begin_turn(struct fetch *fetch, uint64_t now_us, uint64_t timeout_us);

/* Tell the end of a fetch that is in no list any more, and free it. `blob` is given away; `detail`
 * is told with the host that it is about, or both after a redirect. */
void fetch_succeed(struct fetch *fetch, struct blob *blob);
void fetch_fail(struct fetch *fetch, enum problem_code code, const char *detail);

/* The same for what fetch_find_end has found. */
void fetch_end_early(struct fetch *fetch, enum problem_code code);

#endif
