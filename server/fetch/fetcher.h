/* Fetches images by URL: one thread, libcurl's multi interface, many transfers. */
#ifndef CLASSIFYD_SERVER_FETCH_FETCHER_H
#define CLASSIFYD_SERVER_FETCH_FETCHER_H

#include "server/blob.h"
#include "server/fetch/url_policy.h"
#include "server/problem.h"

struct fetcher;

struct fetcher_options {
    const struct url_policy *policy; /* borrowed, as `budget`; outlive the fetcher */
    struct budget *budget;           /* what arrives is charged to it */
    size_t max_bytes;                /* of one image */
    uint64_t timeout_us;             /* of one fetch, redirects included */
    uint64_t connect_timeout_us;
    unsigned max_redirects;
    unsigned max_concurrent;          /* >= 1 transfers at one time; more wait in order */
    unsigned max_concurrent_per_host; /* >= 1; a redirect counts for the host that it leads to */
    const char *ca_file; /* PEM, the only authorities trusted; NULL or "": the system's */
    const char *
        proxy; /* NULL or "": none, whatever the environment says. With one,
                  the policy must have allow_hosts: it judges the proxy's address, not the host's */
};

/* What came of a fetch. `blob` is the callee's to release; NULL with a problem. */
struct fetcher_result {
    struct problem problem;
    struct blob *blob;
    uint64_t wait_us;  /* until it was its turn */
    uint64_t fetch_us; /* from then on */
};

struct fetcher_request {
    const char *url;      /* copied */
    uint64_t deadline_us; /* clock_now_us; 0: none but timeout_us */
    /* Called once, on the fetcher's thread (or fetcher_destroy's), with no lock held. Must not
     * block. */
    void (*done)(void *user, struct fetcher_result *result);
    /* Whether somebody still waits; asked when it is its turn, whenever data arrives and at least
     * once a second. A fetch nobody waits for ends as PROBLEM_CLIENT_GONE. */
    bool (*is_wanted)(void *user);
    void *user;
};

/* Starts the thread. Fails with STATUS_NO_MEMORY, STATUS_IO (ca_file cannot be read),
 * STATUS_INTERNAL, STATUS_BAD_REQUEST (a proxy without allow_hosts). Returns owned. */
MUST_CHECK enum status fetcher_create(const struct fetcher_options *options,
                                      struct fetcher **ret_fetcher, struct error *error);

/* Queues a fetch; never blocks on the network. Problems of the URL come through `done`, too. Any
 * thread, also from `done`; not after fetcher_destroy began, but from `done`. Fails with
 * STATUS_NO_MEMORY (then `done` is not called). */
MUST_CHECK enum status fetcher_submit(struct fetcher *fetcher,
                                      const struct fetcher_request *request, struct error *error);

/* Ends every transfer with PROBLEM_DRAINING, then the thread; waits for no network. A name that is
 * being looked up leaves a thread of the C library behind until its lookup ends. Accepts NULL. */
void fetcher_destroy(struct fetcher *fetcher);

#endif
