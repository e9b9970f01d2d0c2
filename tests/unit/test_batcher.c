#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "model/base/clock.h"
#include "model/batch/batcher.h"
#include "tests/unit/numa_fixture.h"

enum { MAX_RUNS = 256, GIVE_UP_S = 20 };

/* What the callback saw, and how a test holds it there. Asserting is the main thread's alone, so
 * runs are written down and judged afterwards. */
struct ticket {
    struct batcher_entry entry; /* first: an entry is its ticket */
    unsigned number;
};

struct seen_run {
    struct batcher_turn turn;
    size_t count;
    unsigned first; /* number of its first ticket */
    bool is_in_order;
};

struct stage {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by mutex: */
    unsigned allowed; /* runs that may end */
    unsigned ended, inside, most_inside;
    size_t run_count, tickets;
    struct seen_run runs[MAX_RUNS];
};

static void stage_init(struct stage *stage, unsigned allowed)
{
    *stage = (struct stage){.allowed = allowed};
    pthread_mutex_init(&stage->mutex, NULL);
    pthread_cond_init(&stage->changed, NULL);
}

static void stage_fini(struct stage *stage)
{
    pthread_cond_destroy(&stage->changed);
    pthread_mutex_destroy(&stage->mutex);
}

static void act(void *user, struct batcher_turn turn, struct batcher_entry *const *entries,
                size_t count)
{
    struct stage *stage = user;
    struct seen_run run = {turn, count, ((struct ticket *)entries[0])->number, true};
    for (size_t i = 0; i < count; i++)
        run.is_in_order &= ((struct ticket *)entries[i])->number == run.first + i;
    pthread_mutex_lock(&stage->mutex);
    if (stage->run_count < MAX_RUNS)
        stage->runs[stage->run_count] = run;
    stage->run_count++;
    stage->tickets += count;
    stage->inside++;
    stage->most_inside = stage->inside > stage->most_inside ? stage->inside : stage->most_inside;
    pthread_cond_broadcast(&stage->changed);
    while (stage->allowed <= stage->ended)
        pthread_cond_wait(&stage->changed, &stage->mutex);
    stage->ended++;
    stage->inside--;
    pthread_mutex_unlock(&stage->mutex);
}

static void allow(struct stage *stage, unsigned more)
{
    pthread_mutex_lock(&stage->mutex);
    stage->allowed += more;
    pthread_mutex_unlock(&stage->mutex);
    pthread_cond_broadcast(&stage->changed);
}

/* Until `runs` have begun; false where they have not in time. */
static bool wait_for_runs_ms(struct stage *stage, size_t runs, long ms)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += (end.tv_nsec / 1000000 + ms) / 1000;
    end.tv_nsec = (end.tv_nsec + ms % 1000 * 1000000) % 1000000000;
    pthread_mutex_lock(&stage->mutex);
    while (stage->run_count < runs &&
           pthread_cond_timedwait(&stage->changed, &stage->mutex, &end) == 0)
        ;
    bool came = stage->run_count >= runs;
    pthread_mutex_unlock(&stage->mutex);
    return came;
}

static bool wait_for_runs(struct stage *stage, size_t runs)
{
    return wait_for_runs_ms(stage, runs, GIVE_UP_S * 1000);
}

static struct batcher_lane *open_lane(struct batcher *batcher, struct stage *stage,
                                      size_t max_batch, uint64_t delay_us)
{
    struct batcher_lane *lane = NULL;
    const struct batcher_lane_options options = {max_batch, delay_us, act, stage};
    assert_int_equal(batcher_open_lane(batcher, &options, &lane, NULL), STATUS_OK);
    return lane;
}

static struct batcher *start(unsigned threads, uint64_t (*clock)(void))
{
    struct batcher *batcher = NULL;
    assert_int_equal(batcher_create(threads, 2, clock, NULL, &batcher, NULL), STATUS_OK);
    return batcher;
}

static void submit(struct batcher *batcher, struct batcher_lane *lane, struct ticket *tickets,
                   unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        tickets[i].number = i;
        batcher_submit(batcher, lane, &tickets[i].entry);
    }
}

static void bind_and_note(void *user, struct batcher_turn turn,
                          struct batcher_entry *const *entries, size_t count)
{
    (void)entries;
    atomic_int *nodes = user; /* [threads], and how many images */
    for (int node = 0; node < 2; node++)
        if (!turn.is_wide && numa_fixture_is_on((size_t)node))
            atomic_store(&nodes[turn.thread], node);
    atomic_fetch_add(&nodes[2], (int)count);
}

/* Whichever of them run. */
static void threads_stay_on_their_nodes(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    const struct numa_topology *numa = numa_fixture_topology();
    if (!numa)
        skip();
    struct batcher *batcher = NULL;
    struct batcher_lane *lane = NULL;
    struct ticket tickets[COUNT];
    atomic_int nodes[3] = {-1, -1, 0};
    const struct batcher_lane_options options = {1, 0, bind_and_note, nodes};
    struct numa_cpus before, after;
    numa_affinity(&before);
    assert_int_equal(batcher_create(2, 1, clock_now_us, numa, &batcher, NULL), STATUS_OK);
    numa_affinity(&after);
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(batcher_open_lane(batcher, &options, &lane, NULL), STATUS_OK);
    submit(batcher, lane, tickets, 0, COUNT);
    batcher_destroy(batcher);
    assert_int_equal(nodes[2], COUNT);
    assert_true(nodes[0] == 0 || nodes[1] == 1);
    assert_int_not_equal(nodes[0], 1);
    assert_int_not_equal(nodes[1], 0);
}

static void one_thread_runs_in_order(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[11];
    static const size_t sizes[] = {1, 4, 4, 2};
    stage_init(&stage, 0);
    struct batcher *batcher = start(1, clock_now_us);
    struct batcher_lane *lane = open_lane(batcher, &stage, 4, 0);
    submit(batcher, lane, tickets, 0, 1);
    assert_true(wait_for_runs(&stage, 1)); /* an idle engine adds no delay */
    submit(batcher, lane, tickets, 1, 10);
    allow(&stage, MAX_RUNS);
    batcher_destroy(batcher);
    assert_int_equal(stage.run_count, 4);
    for (size_t i = 0, first = 0; i < 4; first += sizes[i++]) {
        assert_int_equal(stage.runs[i].count, sizes[i]);
        assert_int_equal(stage.runs[i].first, first);
        assert_true(stage.runs[i].is_in_order);
        assert_false(stage.runs[i].turn.is_wide);
        assert_int_equal(stage.runs[i].turn.thread, 0);
    }
    stage_fini(&stage);
}

static void what_gathered_is_shared_out(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[10];
    stage_init(&stage, 0);
    struct batcher *batcher = start(3, clock_now_us);
    struct batcher_lane *lane = open_lane(batcher, &stage, 8, 0);
    submit(batcher, lane, tickets, 0, 1);
    assert_true(wait_for_runs(&stage, 1));
    assert_true(stage.runs[0].turn.is_wide);
    submit(batcher, lane, tickets, 1, 9);
    allow(&stage, 1);
    /* All three begin, though none of them may end: they run side by side. */
    assert_true(wait_for_runs(&stage, 4));
    assert_int_equal(stage.run_count, 4);
    unsigned threads = 0;
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(stage.runs[i].count, 3);
        assert_false(stage.runs[i].turn.is_wide);
        assert_true(stage.runs[i].is_in_order);
        threads |= 1u << stage.runs[i].turn.thread;
    }
    assert_int_equal(threads, 7);
    allow(&stage, MAX_RUNS);
    batcher_destroy(batcher);
    stage_fini(&stage);
}

/* Entries that come one by one: the first runs wide, and nothing else begins before it ends. */
static void a_wide_run_is_alone(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[2];
    stage_init(&stage, 0);
    struct batcher *batcher = start(4, clock_now_us);
    struct batcher_lane *one = open_lane(batcher, &stage, 8, 0);
    struct batcher_lane *two = open_lane(batcher, &stage, 8, 0);
    submit(batcher, one, tickets, 0, 1);
    assert_true(wait_for_runs(&stage, 1));
    submit(batcher, two, tickets, 1, 1);
    allow(&stage, 2);
    assert_true(wait_for_runs(&stage, 2));
    batcher_destroy(batcher);
    assert_int_equal(stage.most_inside, 1);
    assert_true(stage.runs[0].turn.is_wide);
    assert_true(stage.runs[1].turn.is_wide);
    stage_fini(&stage);
}

static _Atomic uint64_t test_now_us;

static uint64_t test_clock(void)
{
    return atomic_load(&test_now_us);
}

static void the_oldest_image_chooses_the_lane(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[40];
    /* Lane one has the larger queue, lane two the older images from time to time. */
    static const unsigned expected[] = {0, 1, 20, 3, 21, 5};
    stage_init(&stage, 0);
    atomic_store(&test_now_us, 1);
    struct batcher *batcher = start(1, test_clock);
    struct batcher_lane *one = open_lane(batcher, &stage, 2, 0);
    struct batcher_lane *two = open_lane(batcher, &stage, 1, 0);
    submit(batcher, one, tickets, 0, 1);
    assert_true(wait_for_runs(&stage, 1));
    atomic_store(&test_now_us, 2);
    submit(batcher, one, tickets, 1, 2);
    atomic_store(&test_now_us, 3);
    submit(batcher, two, tickets, 20, 1);
    atomic_store(&test_now_us, 4);
    submit(batcher, one, tickets, 3, 2);
    atomic_store(&test_now_us, 5);
    submit(batcher, two, tickets, 21, 1);
    atomic_store(&test_now_us, 6);
    submit(batcher, one, tickets, 5, 2);
    allow(&stage, MAX_RUNS);
    batcher_destroy(batcher);
    assert_int_equal(stage.run_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < stage.run_count; i++)
        assert_int_equal(stage.runs[i].first, expected[i]);
    stage_fini(&stage);
}

static void a_batch_is_held_back_until_it_is_old_or_full(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[5];
    enum { DELAY_US = 30000 };
    stage_init(&stage, MAX_RUNS);
    struct batcher *batcher = start(2, clock_now_us);
    struct batcher_lane *slow = open_lane(batcher, &stage, 4, DELAY_US);
    struct batcher_lane *patient = open_lane(batcher, &stage, 4, UINT64_C(3600000000));
    uint64_t before_us = clock_now_us();
    submit(batcher, slow, tickets, 0, 1);
    assert_true(wait_for_runs(&stage, 1));
    assert_true(clock_now_us() - before_us >= DELAY_US);
    submit(batcher, patient, tickets, 1, 4);
    assert_true(wait_for_runs(&stage, 2));
    assert_int_equal(stage.runs[1].count, 4);
    batcher_destroy(batcher);
    stage_fini(&stage);
}

/* The watcher of the far moment must learn of the near one, and the far lane's image be watched
 * again after that. */
static void the_nearest_moment_is_watched(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[2];
    stage_init(&stage, MAX_RUNS);
    struct batcher *batcher = start(2, clock_now_us);
    struct batcher_lane *far = open_lane(batcher, &stage, 4, 400000);
    struct batcher_lane *near = open_lane(batcher, &stage, 4, 5000);
    submit(batcher, far, tickets, 0, 1);
    assert_false(wait_for_runs_ms(&stage, 1, 20)); /* it is watched by now */
    submit(batcher, near, tickets, 1, 1);
    assert_true(wait_for_runs(&stage, 2));
    assert_int_equal(stage.runs[0].first, 1);
    assert_int_equal(stage.runs[1].first, 0);
    batcher_destroy(batcher);
    stage_fini(&stage);
}

static void a_test_clock_ends_a_delay(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[2];
    stage_init(&stage, MAX_RUNS);
    atomic_store(&test_now_us, 1);
    struct batcher *batcher = start(2, test_clock);
    struct batcher_lane *held = open_lane(batcher, &stage, 4, UINT64_C(7200000000));
    struct batcher_lane *prompt = open_lane(batcher, &stage, 4, 0);
    submit(batcher, held, tickets, 0, 1);
    atomic_store(&test_now_us, 2 + UINT64_C(7200000000));
    submit(batcher, prompt, tickets, 1, 1);
    assert_true(wait_for_runs(&stage, 2));
    assert_int_equal(stage.runs[0].first, 0);
    batcher_destroy(batcher);
    stage_fini(&stage);
}

static void destroy_runs_what_is_queued(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[100];
    stage_init(&stage, MAX_RUNS);
    struct batcher *batcher = start(3, clock_now_us);
    struct batcher_lane *lane = open_lane(batcher, &stage, 200, UINT64_MAX);
    submit(batcher, lane, tickets, 0, 100);
    assert_int_equal(stage.run_count, 0);
    batcher_destroy(batcher);
    assert_int_equal(stage.tickets, 100);
    stage_fini(&stage);
    batcher_destroy(NULL);
    batcher_destroy(start(3, clock_now_us));
}

static void *destroy(void *batcher)
{
    batcher_destroy(batcher);
    return NULL;
}

/* Threads that found a wide run under way when the end was called out have to end, too. */
static void destroy_during_a_wide_run_ends_all(void **state)
{
    (void)state;
    struct stage stage;
    struct ticket tickets[2];
    pthread_t thread;
    stage_init(&stage, 0);
    struct batcher *batcher = start(3, clock_now_us);
    struct batcher_lane *lane = open_lane(batcher, &stage, 8, 0);
    submit(batcher, lane, tickets, 0, 1);
    assert_true(wait_for_runs(&stage, 1));
    submit(batcher, lane, tickets, 1, 1);
    assert_int_equal(pthread_create(&thread, NULL, destroy, batcher), 0);
    assert_false(wait_for_runs_ms(&stage, 2, 20));
    allow(&stage, MAX_RUNS);
    pthread_join(thread, NULL);
    assert_int_equal(stage.run_count, 2);
    stage_fini(&stage);
}

static void a_lane_too_many_is_refused(void **state)
{
    (void)state;
    struct stage stage;
    struct batcher_lane *lane = NULL;
    struct error error = {0};
    stage_init(&stage, 0);
    struct batcher *batcher = start(1, clock_now_us);
    open_lane(batcher, &stage, 1, 0);
    open_lane(batcher, &stage, 1, 0);
    const struct batcher_lane_options options = {1, 0, act, &stage};
    assert_int_equal(batcher_open_lane(batcher, &options, &lane, &error), STATUS_OVERLOADED);
    assert_null(lane);
    const struct batcher_lane_options huge = {SIZE_MAX / 2, 0, act, &stage};
    assert_int_equal(batcher_open_lane(batcher, &huge, &lane, NULL), STATUS_NO_MEMORY);
    batcher_destroy(batcher);
    stage_fini(&stage);
}

/* Many at once: several submitters, each with some entries under way, over two lanes. */
enum { SUBMITTERS = 4, ROUNDS = 2000, THREADS = 3, LANES = 2 };

struct crowd {
    struct batcher *batcher;
    struct batcher_lane *lanes[LANES];
    atomic_uint inside, wide_inside, broken; /* runs; wide ones; of the rules */
    atomic_uint in_thread[THREADS];
    atomic_size_t wide_runs, runs;
};

struct submitter {
    struct crowd *crowd;
    unsigned index;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    /* Guarded by mutex: */
    size_t left; /* of the entries under way */
};

struct member_entry {
    struct batcher_entry entry;
    struct submitter *submitter;
    atomic_uint runs;
};

static void run_crowd(void *user, struct batcher_turn turn, struct batcher_entry *const *entries,
                      size_t count)
{
    struct crowd *crowd = user;
    unsigned broken = atomic_fetch_add(&crowd->in_thread[turn.thread], 1) != 0;
    unsigned others = atomic_fetch_add(&crowd->inside, 1);
    broken += turn.is_wide && others != 0;
    if (turn.is_wide)
        broken += atomic_fetch_add(&crowd->wide_inside, 1) != 0;
    else
        broken += atomic_load(&crowd->wide_inside) != 0;
    broken += count == 0 || count > 8;
    atomic_fetch_add(&crowd->runs, 1);
    atomic_fetch_add(&crowd->wide_runs, turn.is_wide);
    if (turn.is_wide)
        atomic_fetch_sub(&crowd->wide_inside, 1);
    atomic_fetch_sub(&crowd->inside, 1);
    atomic_fetch_sub(&crowd->in_thread[turn.thread], 1);
    atomic_fetch_add(&crowd->broken, broken);
    for (size_t i = 0; i < count; i++) {
        struct member_entry *entry = (struct member_entry *)entries[i];
        struct submitter *submitter = entry->submitter;
        atomic_fetch_add(&entry->runs, 1);
        pthread_mutex_lock(&submitter->mutex);
        if (--submitter->left == 0)
            pthread_cond_signal(&submitter->done);
        pthread_mutex_unlock(&submitter->mutex);
    }
}

/* Rounds of 1 to 7 entries; each round waits for its last, so a wakeup that is lost ends here. */
static void *submit_rounds(void *argument)
{
    struct submitter *submitter = argument;
    struct crowd *crowd = submitter->crowd;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct member_entry entries[7] = {0};
        size_t count = 1 + (round * 5 + submitter->index) % 7;
        submitter->left = count;
        for (size_t i = 0; i < count; i++) {
            entries[i].submitter = submitter;
            batcher_submit(crowd->batcher, crowd->lanes[(round + i) % LANES], &entries[i].entry);
        }
        pthread_mutex_lock(&submitter->mutex);
        while (submitter->left > 0)
            pthread_cond_wait(&submitter->done, &submitter->mutex);
        pthread_mutex_unlock(&submitter->mutex);
        for (size_t i = 0; i < count; i++)
            if (atomic_load(&entries[i].runs) != 1)
                atomic_fetch_add(&crowd->broken, 1);
    }
    return NULL;
}

static void run_submitters(uint64_t delay_us, unsigned submitters)
{
    struct crowd crowd = {.batcher = start(THREADS, clock_now_us)};
    struct submitter all[SUBMITTERS];
    for (size_t i = 0; i < LANES; i++) {
        const struct batcher_lane_options options = {8, i == 0 ? delay_us : 0, run_crowd, &crowd};
        assert_int_equal(batcher_open_lane(crowd.batcher, &options, &crowd.lanes[i], NULL),
                         STATUS_OK);
    }
    for (unsigned i = 0; i < submitters; i++) {
        all[i] = (struct submitter){.crowd = &crowd, .index = i};
        pthread_mutex_init(&all[i].mutex, NULL);
        pthread_cond_init(&all[i].done, NULL);
        assert_int_equal(pthread_create(&all[i].thread, NULL, submit_rounds, &all[i]), 0);
    }
    for (unsigned i = 0; i < submitters; i++) {
        pthread_join(all[i].thread, NULL);
        pthread_cond_destroy(&all[i].done);
        pthread_mutex_destroy(&all[i].mutex);
    }
    batcher_destroy(crowd.batcher);
    assert_int_equal(crowd.broken, 0);
    assert_true(crowd.wide_runs > 0);
    assert_true(crowd.runs > crowd.wide_runs);
}

static void no_wakeup_is_lost_in_a_crowd(void **state)
{
    (void)state;
    run_submitters(0, SUBMITTERS);
}

static void no_wakeup_is_lost_alone(void **state)
{
    (void)state;
    run_submitters(0, 1);
}

static void no_wakeup_is_lost_with_delays(void **state)
{
    (void)state;
    run_submitters(50, SUBMITTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_stay_on_their_nodes),
        cmocka_unit_test(one_thread_runs_in_order),
        cmocka_unit_test(what_gathered_is_shared_out),
        cmocka_unit_test(a_wide_run_is_alone),
        cmocka_unit_test(the_oldest_image_chooses_the_lane),
        cmocka_unit_test(a_batch_is_held_back_until_it_is_old_or_full),
        cmocka_unit_test(the_nearest_moment_is_watched),
        cmocka_unit_test(a_test_clock_ends_a_delay),
        cmocka_unit_test(destroy_runs_what_is_queued),
        cmocka_unit_test(destroy_during_a_wide_run_ends_all),
        cmocka_unit_test(a_lane_too_many_is_refused),
        cmocka_unit_test(no_wakeup_is_lost_in_a_crowd),
        cmocka_unit_test(no_wakeup_is_lost_alone),
        cmocka_unit_test(no_wakeup_is_lost_with_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
