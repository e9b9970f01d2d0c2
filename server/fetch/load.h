/* Clients of a service, each with one connection. Either they keep it busy: each posts the next
 * image when its last is answered. Or images arrive at a rate, whatever becomes of those before:
 * each is posted by a client that has nothing to do. */
#ifndef CLASSIFYD_SERVER_FETCH_LOAD_H
#define CLASSIFYD_SERVER_FETCH_LOAD_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/base/status.h"

enum { LOAD_MOST_CLIENTS = 1024, LOAD_MOST_ANSWERS = 1 << 20, LOAD_MOST_OUTCOMES = 16 };

struct load_options {
    const char *url;           /* http or https; without a path, /classify */
    const struct span *images; /* the bodies, taken in turn; borrowed for the call */
    size_t image_count;        /* at least 1 */
    unsigned clients;          /* 1 to LOAD_MOST_CLIENTS */
    double rate_per_second;    /* of arrivals (arrivals.h); 0: keep the service busy */
    uint64_t duration_us;      /* after which no more is asked; what is under way is waited for */
    uint64_t timeout_us;       /* of a request */
    int stop_fd; /* when it can be read, all is broken off; what was answered counts. -1: none */
};

/* Answers of one status, or requests that had none. */
struct load_outcome {
    long status; /* of HTTP; 0: no answer */
    size_t count;
    char why[128]; /* of the first without an answer */
};

struct load_result {
    uint64_t elapsed_us;    /* until the last answer */
    size_t answered;        /* with 200 */
    uint64_t *latencies_us; /* [answered], sorted; from the moment when an image arrived: one that
                               had to wait for a client waited for the service */
    size_t unsent; /* images that had arrived and for which no client became free in time */
    size_t outcome_count;
    struct load_outcome outcomes[LOAD_MOST_OUTCOMES]; /* in the order of their first */
    size_t unlisted;                                  /* of further statuses */
    bool is_stopped;                                  /* by stop_fd */
};

/* Blocks until the time is over, LOAD_MOST_ANSWERS requests have ended or every client has given
 * up, which it does after three requests without an answer in a row. Fails with STATUS_BAD_REQUEST
 * (the URL), STATUS_NO_MEMORY, STATUS_INTERNAL. Any thread. `ret_result` is to be ended with
 * load_result_fini. */
MUST_CHECK enum status load_run(const struct load_options *options, struct load_result *ret_result,
                                struct error *error);

/* Accepts a zeroed result. */
void load_result_fini(struct load_result *result);

#endif
