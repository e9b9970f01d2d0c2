/* When the images of many people who know nothing of each other arrive: a Poisson process. */
#ifndef CLASSIFYD_SERVER_FETCH_ARRIVALS_H
#define CLASSIFYD_SERVER_FETCH_ARRIVALS_H

#include <stdint.h>

struct arrivals {
    double mean_gap_us;
    double next_us; /* in parts of a microsecond, so that none is lost at high rates */
    uint64_t state; /* of the generator */
};

/* `per_second` (> 0) on average, the first some time after `start_us`; the same gaps every time. */
void arrivals_init(struct arrivals *arrivals, double per_second, uint64_t start_us);

/* The moment of the next arrival; asking does not use it up. */
uint64_t arrivals_due_us(const struct arrivals *arrivals);

/* It has been taken care of: on to the one after. */
void arrivals_pass(struct arrivals *arrivals);

#endif
