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

/* Arrivals of a Poisson process whose number is given are that many independent moments. Of n of
 * them the first leaves a share of the time that is the largest of n random ones: u^(1/n). */
static void draw_next(struct arrivals *arrivals)
{
    if (arrivals->left > 0)
        arrivals->next_us = arrivals->end_us - (arrivals->end_us - arrivals->next_us) *
                                                   pow(random_fraction(&arrivals->state),
                                                       1.0 / (double)arrivals->left);
}

void arrivals_init(struct arrivals *arrivals, size_t count, uint64_t start_us, uint64_t duration_us)
{
    *arrivals = (struct arrivals){.left = count,
                                  .next_us = (double)start_us,
                                  .end_us = (double)start_us + (double)duration_us,
                                  .state = UINT64_C(88172645463325252)};
    draw_next(arrivals);
}

uint64_t arrivals_due_us(const struct arrivals *arrivals)
{
    return arrivals->left > 0 ? (uint64_t)arrivals->next_us : UINT64_MAX;
}

void arrivals_pass(struct arrivals *arrivals)
{
    arrivals->left--;
    draw_next(arrivals);
}
