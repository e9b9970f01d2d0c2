#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/pipeline/item_progress.h"
#include "server/pipeline/job.h"

enum { ITEMS = 5, ROUNDS = 1000, ABORTERS = 3 };

static void count(void *user)
{
    atomic_fetch_add((atomic_uint *)user, 1);
}

static struct job *created(size_t items, job_done_function *done, void *user)
{
    struct item *list[ITEMS];
    struct job *job = NULL;
    for (size_t i = 0; i < items; i++)
        assert_int_equal(item_create(&(struct item_request){0}, &list[i], NULL), STATUS_OK);
    assert_int_equal(job_create(list, items, done, user, &job, NULL), STATUS_OK);
    return job;
}

static void the_last_item_is_the_end(void **state)
{
    (void)state;
    atomic_uint calls = 0;
    struct job *job = created(3, count, &calls);
    assert_int_equal(job_item_count(job), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(calls, 0);
        assert_true(item_finish_problem(job_item(job, 2 - i), PROBLEM_INTERNAL, ""));
    }
    assert_int_equal(calls, 1);
    job_abort(job, PROBLEM_TIMEOUT, "");
    assert_int_equal(calls, 1);
    assert_int_equal(item_outcome(job_item(job, 0))->problem.code, PROBLEM_INTERNAL);
    job_destroy(job);
    job_destroy(NULL);
}

static void an_abort_leaves_what_is_finished(void **state)
{
    (void)state;
    atomic_uint calls = 0;
    struct job *job = created(3, count, &calls);
    struct item_answer answer = {0};
    assert_true(item_finish_answer(job_item(job, 1), &answer));
    job_abort(job, PROBLEM_TIMEOUT, "later than 30 s");
    assert_int_equal(calls, 1);
    assert_int_equal(item_outcome(job_item(job, 1))->problem.code, PROBLEM_NONE);
    assert_int_equal(item_outcome(job_item(job, 2))->problem.code, PROBLEM_TIMEOUT);
    assert_string_equal(item_outcome(job_item(job, 2))->problem.detail, "later than 30 s");
    job_destroy(job);
}

static void one_that_was_never_submitted_goes(void **state)
{
    (void)state;
    atomic_uint calls = 0;
    job_destroy(created(2, count, &calls));
    assert_int_equal(calls, 0);
}

/* As a server may do it: the creator's reference goes when the job is done, on whatever thread. */
struct owned {
    struct job *job;
    atomic_uint *calls;
};

static void destroy_when_done(void *user)
{
    struct owned *owned = user;
    atomic_fetch_add(owned->calls, 1);
    job_destroy(owned->job);
}

static void done_may_destroy_under_an_abort(void **state)
{
    (void)state;
    atomic_uint calls = 0;
    struct owned owned = {.calls = &calls};
    owned.job = created(ITEMS, destroy_when_done, &owned);
    job_abort(owned.job, PROBLEM_CLIENT_GONE, "");
    assert_int_equal(calls, 1);
}

/* A watcher, a deadline and a drain abort while a stage finishes the items. */
struct race {
    pthread_barrier_t barrier;
    struct owned owned;
    atomic_uint calls;
    struct item *items[ITEMS]; /* the stage's references */
};

static void *abort_jobs(void *user)
{
    struct race *race = user;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&race->barrier);
        struct job *job = job_retain(race->owned.job);
        pthread_barrier_wait(&race->barrier);
        job_abort(job, PROBLEM_CLIENT_GONE, "");
        job_destroy(job);
        pthread_barrier_wait(&race->barrier);
    }
    return NULL;
}

static void aborts_race_with_finishes(void **state)
{
    (void)state;
    struct race race = {0};
    pthread_t threads[ABORTERS];
    race.owned.calls = &race.calls;
    assert_int_equal(pthread_barrier_init(&race.barrier, NULL, ABORTERS + 1), 0);
    for (int i = 0; i < ABORTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, abort_jobs, &race), 0);
    for (int i = 0; i < ROUNDS; i++) {
        race.owned.job = created(ITEMS, destroy_when_done, &race.owned);
        for (size_t k = 0; k < ITEMS; k++)
            race.items[k] = item_retain(job_item(race.owned.job, k));
        pthread_barrier_wait(&race.barrier);
        pthread_barrier_wait(&race.barrier);
        for (size_t k = 0; k < ITEMS; k++) {
            struct item_answer answer = {0};
            (void)item_finish_answer(race.items[k], &answer);
            item_release(race.items[k]);
        }
        pthread_barrier_wait(&race.barrier);
        assert_int_equal(race.calls, i + 1);
    }
    for (int i = 0; i < ABORTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&race.barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_item_is_the_end),
        cmocka_unit_test(an_abort_leaves_what_is_finished),
        cmocka_unit_test(one_that_was_never_submitted_goes),
        cmocka_unit_test(done_may_destroy_under_an_abort),
        cmocka_unit_test(aborts_race_with_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
