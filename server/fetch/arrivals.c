#include "server/fetch/arrivals.h"

#include <math.h>

/* xorshift64* (Vigna 2016); the upper 53 bits as a number in (0, 1]. */
static double random_fraction(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    uint64_t bits = *state * UINT64_C(2685821657736338717);
    return ldexp((double)((bits >> 11) + 1), -53);
}

void arrivals_init(struct arrivals *arrivals, double per_second, uint64_t start_us)
{
    *arrivals = (struct arrivals){.mean_gap_us = 1e6 / per_second,
                                  .next_us = (double)start_us,
                                  .state = UINT64_C(88172645463325252)};
    arrivals_pass(arrivals);
}

uint64_t arrivals_due_us(const struct arrivals *arrivals)
{
    return (uint64_t)arrivals->next_us;
}

void arrivals_pass(struct arrivals *arrivals)
{
    arrivals->next_us -= arrivals->mean_gap_us * log(random_fraction(&arrivals->state));
}
