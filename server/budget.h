/* A limit on bytes that clients make us hold, counted by whoever holds them. */
#ifndef CLASSIFYD_SERVER_BUDGET_H
#define CLASSIFYD_SERVER_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Initialised with its limit: {.limit_bytes = n}. Outlives everything that is charged to it. */
struct budget {
    size_t limit_bytes;
    atomic_size_t used_bytes;
};

/* Adds `bytes` unless that goes over the limit; whether it did. Any thread; never blocks. */
bool budget_charge(struct budget *budget, size_t bytes);

/* Takes back what was charged. Any thread. */
void budget_release(struct budget *budget, size_t bytes);

size_t budget_used(const struct budget *budget);

#endif
