/* Owns the lanes, the engine threads and who of them is awake; batch_policy.h says what to run.
 *
 * As many threads are awake as there is work for: a submit wakes one, and one that takes a batch
 * and leaves others behind wakes the next. Of the threads without work at most one, the watcher,
 * waits for a moment (the end of a lane's delay); the others wait to be woken. Whoever comes out of
 * a wait looks at all lanes anew. */
#include "model/batch/batcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "model/base/alloc.h"

struct batcher_lane {
    struct batcher_lane_options options;
    struct batcher_entry **taken; /* [threads][max_batch]: a thread's batch while it runs */
    /* Guarded by the batcher's mutex: */
    struct batcher_entry *first, **end; /* oldest first; where the next one is hung */
    size_t count;
};

struct engine_thread {
    struct batcher *batcher;
    unsigned index;
    pthread_t thread;
};

struct batcher {
    unsigned thread_count;
    size_t max_lanes;
    uint64_t (*clock)(void);
    struct engine_thread *threads;
    unsigned started; /* of threads */

    pthread_mutex_t mutex;
    pthread_cond_t work;  /* threads without work */
    pthread_cond_t watch; /* the watcher, on CLOCK_MONOTONIC */
    /* Guarded by mutex: */
    struct batcher_lane **lanes; /* [max_lanes] */
    size_t lane_count;
    unsigned running;  /* threads within a run */
    unsigned sleeping; /* threads that wait on `work` */
    unsigned watching; /* and on `watch`: the watcher, and who was until its moment came too late */
    const struct engine_thread *watcher; /* NULL: none */
    uint64_t watch_until_us;             /* the watcher's moment */
    bool is_waking;                      /* a thread was woken and has not looked yet */
    bool is_wide;                        /* the run under way has all threads to itself */
    bool is_draining;
};

/* What a thread found to do. */
struct decision {
    struct batcher_lane *lane; /* NULL: wait */
    struct batch_policy_decision policy;
};

static struct batch_policy_decision ask_policy(const struct batcher *batcher,
                                               const struct batcher_lane *lane, uint64_t now_us)
{
    const struct batch_policy_options options = {
        .max_batch = lane->options.max_batch,
        .max_queue_delay_us = lane->options.max_queue_delay_us,
        .threads = batcher->thread_count,
    };
    const struct batch_policy_state state = {
        .now_us = now_us,
        .oldest_us = lane->first->queued_us,
        .count = lane->count,
        .idle_threads = batcher->thread_count - batcher->running,
        .is_draining = batcher->is_draining,
    };
    return batch_policy_decide(&options, &state);
}

/* The lane with the oldest image of those that may run; else until when to wait. */
static struct decision decide(const struct batcher *batcher)
{
    struct decision best = {.policy = {.action = BATCH_POLICY_WAIT, .until_us = UINT64_MAX}};
    if (batcher->is_wide)
        return best;
    uint64_t now_us = batcher->clock();
    for (size_t i = 0; i < batcher->lane_count; i++) {
        struct batcher_lane *lane = batcher->lanes[i];
        if (lane->count == 0)
            continue;
        struct batch_policy_decision policy = ask_policy(batcher, lane, now_us);
        if (policy.action == BATCH_POLICY_WAIT) {
            if (!best.lane && policy.until_us < best.policy.until_us)
                best.policy = policy;
        } else if (!best.lane || lane->first->queued_us < best.lane->first->queued_us) {
            best = (struct decision){lane, policy};
        }
    }
    return best;
}

static bool is_watched(const struct batcher *batcher, uint64_t until_us)
{
    return until_us == UINT64_MAX || (batcher->watcher && batcher->watch_until_us <= until_us);
}

/* Whom to signal so that one more thread looks for work; NULL where nobody need. The signal is to
 * be given after the unlock. */
static pthread_cond_t *choose_whom_to_wake(struct batcher *batcher)
{
    if (batcher->is_waking || batcher->sleeping + batcher->watching == 0)
        return NULL;
    struct decision decision = decide(batcher);
    if (!decision.lane && is_watched(batcher, decision.policy.until_us))
        return NULL;
    batcher->is_waking = true;
    return batcher->sleeping > 0 ? &batcher->work : &batcher->watch;
}

static void signal_if(pthread_cond_t *condition)
{
    if (condition)
        pthread_cond_signal(condition);
}

/* On the condition's clock, not on the batcher's, which may be a test's. */
static struct timespec moment_in(uint64_t delay_us)
{
    enum { SECOND_NS = 1000000000 };
    static const uint64_t longest_us = 3600u * UINT64_C(1000000);
    uint64_t us = delay_us < longest_us ? delay_us : longest_us;
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    moment.tv_sec += (time_t)(us / 1000000u);
    moment.tv_nsec += (long)(us % 1000000u) * 1000;
    if (moment.tv_nsec >= SECOND_NS) {
        moment.tv_nsec -= SECOND_NS;
        moment.tv_sec++;
    }
    return moment;
}

/* Waits to be woken or, where nobody watches for `until_us` yet, until then. */
static void wait_for_work(struct engine_thread *self, uint64_t until_us)
{
    struct batcher *batcher = self->batcher;
    if (!is_watched(batcher, until_us)) {
        batcher->watcher = self;
        batcher->watch_until_us = until_us;
        uint64_t now_us = batcher->clock();
        struct timespec moment = moment_in(until_us > now_us ? until_us - now_us : 0);
        batcher->watching++;
        pthread_cond_timedwait(&batcher->watch, &batcher->mutex, &moment);
        batcher->watching--;
        if (batcher->watcher == self)
            batcher->watcher = NULL;
    } else {
        batcher->sleeping++;
        pthread_cond_wait(&batcher->work, &batcher->mutex);
        batcher->sleeping--;
    }
    batcher->is_waking = false;
}

static void take(struct batcher_lane *lane, size_t count, struct batcher_entry **ret_entries)
{
    for (size_t i = 0; i < count; i++) {
        ret_entries[i] = lane->first;
        lane->first = lane->first->next;
    }
    if (!lane->first)
        lane->end = &lane->first;
    lane->count -= count;
}

/* Called with the mutex held, which it gives up for the run. */
static void run_batch(struct engine_thread *self, const struct decision *decision)
{
    struct batcher *batcher = self->batcher;
    struct batcher_lane *lane = decision->lane;
    size_t count = decision->policy.images;
    struct batcher_entry **entries = lane->taken + self->index * lane->options.max_batch;
    bool is_wide = decision->policy.action == BATCH_POLICY_RUN_WIDE;
    take(lane, count, entries);
    batcher->running++;
    batcher->is_wide = is_wide;
    pthread_cond_t *wake = choose_whom_to_wake(batcher);
    pthread_mutex_unlock(&batcher->mutex);
    signal_if(wake);
    lane->options.run(lane->options.user, (struct batcher_turn){self->index, is_wide}, entries,
                      count);
    pthread_mutex_lock(&batcher->mutex);
    batcher->running--;
    if (is_wide)
        batcher->is_wide = false;
}

static bool is_anything_queued(const struct batcher *batcher)
{
    for (size_t i = 0; i < batcher->lane_count; i++)
        if (batcher->lanes[i]->count > 0)
            return true;
    return false;
}

static void *thread_main(void *argument)
{
    struct engine_thread *self = argument;
    struct batcher *batcher = self->batcher;
    pthread_mutex_lock(&batcher->mutex);
    while (!batcher->is_draining || is_anything_queued(batcher)) {
        struct decision decision = decide(batcher);
        if (decision.lane)
            run_batch(self, &decision);
        else
            wait_for_work(self, decision.policy.until_us);
    }
    pthread_mutex_unlock(&batcher->mutex);
    /* Some may have slept through a wide run, with nothing left to be woken for. */
    pthread_cond_broadcast(&batcher->work);
    return NULL;
}

static enum status init_conditions(struct batcher *batcher, struct error *error)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a batcher");
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&batcher->mutex, NULL);
    pthread_cond_init(&batcher->work, &attributes);
    pthread_cond_init(&batcher->watch, &attributes);
    pthread_condattr_destroy(&attributes);
    return STATUS_OK;
}

/* They inherit the affinity of who starts them. */
static enum status start_threads(struct batcher *batcher, const struct numa_topology *numa,
                                 struct error *error)
{
    unsigned count = batcher->thread_count;
    bool is_bound = numa && numa->node_count > 0;
    struct numa_cpus before;
    if (is_bound)
        numa_affinity(&before);
    for (unsigned i = 0; i < count; i++) {
        batcher->threads[i] = (struct engine_thread){.batcher = batcher, .index = i};
        if (is_bound)
            numa_bind(&numa->nodes[numa_topology_share(numa, i, count)].cpus);
        if (pthread_create(&batcher->threads[i].thread, NULL, thread_main, &batcher->threads[i]))
            break;
        batcher->started++;
    }
    if (is_bound)
        numa_bind(&before);
    if (batcher->started == count)
        return STATUS_OK;
    return error_set(error, STATUS_NO_MEMORY,
                     "could not start %u engine threads; lower their number", count);
}

enum status batcher_create(unsigned threads, size_t max_lanes, uint64_t (*clock)(void),
                           const struct numa_topology *numa, struct batcher **ret_batcher,
                           struct error *error)
{
    struct batcher *batcher = calloc(1, sizeof *batcher);
    if (!batcher)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a batcher");
    batcher->thread_count = threads;
    batcher->max_lanes = max_lanes;
    batcher->clock = clock;
    enum status status = init_conditions(batcher, error);
    if (status != STATUS_OK) {
        free(batcher);
        return status;
    }
    batcher->threads = alloc_array(threads, sizeof *batcher->threads, SIZE_MAX / 2);
    batcher->lanes = alloc_array(max_lanes, sizeof(struct batcher_lane *), SIZE_MAX / 2);
    if (!batcher->threads || !batcher->lanes)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for %u engine threads", threads);
    else
        status = start_threads(batcher, numa, error);
    if (status == STATUS_OK)
        *ret_batcher = batcher;
    else
        batcher_destroy(batcher);
    return status;
}

static void lane_destroy(struct batcher_lane *lane)
{
    if (!lane)
        return;
    free(lane->taken);
    free(lane);
}

static enum status lane_create(unsigned threads, const struct batcher_lane_options *options,
                               struct batcher_lane **ret_lane, struct error *error)
{
    size_t places;
    struct batcher_lane *lane = calloc(1, sizeof *lane);
    if (lane && checked_mul(threads, options->max_batch, &places))
        lane->taken = alloc_array(places, sizeof(struct batcher_entry *), SIZE_MAX / 2);
    if (!lane || !lane->taken) {
        lane_destroy(lane);
        return error_set(error, STATUS_NO_MEMORY, "no memory for batches of %zu images",
                         options->max_batch);
    }
    lane->options = *options;
    lane->end = &lane->first;
    *ret_lane = lane;
    return STATUS_OK;
}

enum status batcher_open_lane(struct batcher *batcher, const struct batcher_lane_options *options,
                              struct batcher_lane **ret_lane, struct error *error)
{
    struct batcher_lane *lane;
    enum status status = lane_create(batcher->thread_count, options, &lane, error);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&batcher->mutex);
    bool has_room = batcher->lane_count < batcher->max_lanes;
    if (has_room)
        batcher->lanes[batcher->lane_count++] = lane;
    pthread_mutex_unlock(&batcher->mutex);
    if (!has_room) {
        lane_destroy(lane);
        return error_set(error, STATUS_OVERLOADED, "over %zu models at one time",
                         batcher->max_lanes);
    }
    *ret_lane = lane;
    return STATUS_OK;
}

void batcher_submit(struct batcher *batcher, struct batcher_lane *lane, struct batcher_entry *entry)
{
    entry->next = NULL;
    pthread_mutex_lock(&batcher->mutex);
    entry->queued_us = batcher->clock();
    *lane->end = entry;
    lane->end = &entry->next;
    lane->count++;
    pthread_cond_t *wake = choose_whom_to_wake(batcher);
    pthread_mutex_unlock(&batcher->mutex);
    signal_if(wake);
}

void batcher_destroy(struct batcher *batcher)
{
    if (!batcher)
        return;
    pthread_mutex_lock(&batcher->mutex);
    batcher->is_draining = true;
    pthread_mutex_unlock(&batcher->mutex);
    pthread_cond_broadcast(&batcher->work);
    pthread_cond_broadcast(&batcher->watch);
    for (unsigned i = 0; i < batcher->started; i++)
        pthread_join(batcher->threads[i].thread, NULL);
    for (size_t i = 0; i < batcher->lane_count; i++)
        lane_destroy(batcher->lanes[i]);
    pthread_cond_destroy(&batcher->watch);
    pthread_cond_destroy(&batcher->work);
    pthread_mutex_destroy(&batcher->mutex);
    free(batcher->lanes);
    free(batcher->threads);
    free(batcher);
}
