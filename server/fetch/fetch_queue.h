/* Whose turn it is: first come, first served, but for hosts that have their share already. Holds no
 * memory of its own; belongs to one thread. */
#ifndef CLASSIFYD_SERVER_FETCH_FETCH_QUEUE_H
#define CLASSIFYD_SERVER_FETCH_FETCH_QUEUE_H

#include <stddef.h>
#include <stdint.h>

/* Part of what is queued; the queue's from put to end or remove. */
struct fetch_queue_entry {
    struct fetch_queue_entry *next, *previous;
    const char *host; /* borrowed; does not change meanwhile */
    uint64_t host_hash;
};

struct fetch_queue_list {
    struct fetch_queue_entry *first, *last;
    size_t count;
};

/* Initialised with its limits, the rest zero. */
struct fetch_queue {
    unsigned max_active, max_active_per_host;
    struct fetch_queue_list waiting, active;
};

/* Behind all that wait. `entry->host` is set; the rest is the queue's. */
void fetch_queue_put(struct fetch_queue *queue, struct fetch_queue_entry *entry);

/* Before all that wait: something that had its turn before and goes on. */
void fetch_queue_put_first(struct fetch_queue *queue, struct fetch_queue_entry *entry);

/* The first that waits whose host is below its limit becomes active; NULL where there is none. */
struct fetch_queue_entry *fetch_queue_take(struct fetch_queue *queue);

/* An active entry is done with. */
void fetch_queue_end(struct fetch_queue *queue, struct fetch_queue_entry *entry);

/* A waiting entry leaves without a turn. */
void fetch_queue_remove(struct fetch_queue *queue, struct fetch_queue_entry *entry);

#endif
