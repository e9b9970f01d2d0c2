/* When to run how many of the images that wait. Pure: what it decides from is its argument. */
#ifndef CLASSIFYD_MODEL_BATCH_BATCH_POLICY_H
#define CLASSIFYD_MODEL_BATCH_BATCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_policy_options {
    size_t max_batch;            /* >= 1 */
    uint64_t max_queue_delay_us; /* 0: never hold a batch back */
    unsigned threads;            /* engine threads, >= 1 */
};

/* One lane (model) as an idle engine thread finds it. */
struct batch_policy_state {
    uint64_t now_us;
    uint64_t oldest_us;    /* when the oldest of them was submitted; meaningless at count 0 */
    size_t count;          /* images that wait in this lane */
    unsigned idle_threads; /* engine threads without work, the one that asks among them */
    bool is_draining;      /* no more will come: nothing is held back */
};

enum batch_policy_action {
    BATCH_POLICY_WAIT,     /* until something changes, or until `until_us` */
    BATCH_POLICY_RUN,      /* on the thread that asks, alone */
    BATCH_POLICY_RUN_WIDE, /* on all engine threads together: the other ones are idle */
};

struct batch_policy_decision {
    enum batch_policy_action action;
    size_t images;     /* of the oldest ones; of a run */
    uint64_t until_us; /* of a wait; UINT64_MAX: until something changes */
};

/* Zero added delay while anything is idle (unless max_queue_delay_us says so); few images are
 * spread over all threads for latency, many are shared out over the idle threads for throughput. */
struct batch_policy_decision batch_policy_decide(const struct batch_policy_options *options,
                                                 const struct batch_policy_state *state);

#endif
