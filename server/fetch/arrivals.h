/* When the images of many people who know nothing of each other arrive: a Poisson process of which
 * it is known how many arrive in all, so that a short run, too, has the load that was asked for. */
#ifndef CLASSIFYD_SERVER_FETCH_ARRIVALS_H
#define CLASSIFYD_SERVER_FETCH_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

struct arrivals {
    size_t left;            /* the next one among them */
    double next_us, end_us; /* in parts of a microsecond, so that none is lost at high rates */
    uint64_t state;         /* of the generator */
};

/* `count` arrivals from `start_us` on within `duration_us`; the same ones every time. */
void arrivals_init(struct arrivals *arrivals, size_t count, uint64_t start_us,
                   uint64_t duration_us);

/* The moment of the next arrival, UINT64_MAX behind the last; asking does not use it up. */
uint64_t arrivals_due_us(const struct arrivals *arrivals);

/* It has been taken care of: on to the one after. */
void arrivals_pass(struct arrivals *arrivals);

#endif
