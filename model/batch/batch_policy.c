#include "model/batch/batch_policy.h"

#include <assert.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The moment until which a batch that is not full waits for company. */
static uint64_t held_until_us(const struct batch_policy_options *options,
                              const struct batch_policy_state *state)
{
    uint64_t until_us;
    if (__builtin_add_overflow(state->oldest_us, options->max_queue_delay_us, &until_us))
        until_us = UINT64_MAX;
    return until_us;
}

static struct batch_policy_decision wait_until(uint64_t until_us)
{
    return (struct batch_policy_decision){.action = BATCH_POLICY_WAIT, .until_us = until_us};
}

static struct batch_policy_decision run_on_one(size_t images)
{
    return (struct batch_policy_decision){.action = BATCH_POLICY_RUN, .images = images};
}

struct batch_policy_decision batch_policy_decide(const struct batch_policy_options *options,
                                                 const struct batch_policy_state *state)
{
    assert(options->max_batch >= 1 && options->threads >= 1);
    if (state->count == 0 || state->idle_threads == 0)
        return wait_until(UINT64_MAX);
    uint64_t until_us = held_until_us(options, state);
    if (!state->is_draining && state->now_us < until_us) {
        /* Who asks for company wants full batches: to share these images out would leave each
         * thread with a batch that is not full, which then waits. */
        if (state->count >= options->max_batch)
            return run_on_one(options->max_batch);
        return wait_until(until_us);
    }
    if (options->threads > 1 && state->idle_threads >= options->threads &&
        state->count < options->threads)
        return (struct batch_policy_decision){.action = BATCH_POLICY_RUN_WIDE,
                                              .images = smaller(state->count, options->max_batch)};
    size_t share = (state->count - 1) / state->idle_threads + 1;
    return run_on_one(smaller(share, options->max_batch));
}
