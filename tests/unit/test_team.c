#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "model/net/team.h"

enum { THREADS = 4, ROUNDS = 200 };

struct job {
    unsigned turns[THREADS][ROUNDS];
    atomic_uint wrong;
};

/* After a barrier everybody sees what everybody else wrote before it. */
static void write_and_compare(void *user, struct team *team, unsigned member)
{
    struct job *job = user;
    for (unsigned round = 0; round < ROUNDS; round++) {
        job->turns[member][round] = round + 1;
        team_barrier(team);
        for (unsigned other = 0; other < team_size(team); other++)
            if (job->turns[other][round] != round + 1)
                atomic_fetch_add(&job->wrong, 1);
    }
}

static void barriers_publish(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= THREADS; threads++) {
        struct team *team = NULL;
        assert_int_equal(team_create(threads, &team, NULL), STATUS_OK);
        assert_int_equal(team_size(team), threads);
        for (int again = 0; again < 3; again++) {
            struct job job = {0};
            team_run(team, write_and_compare, &job);
            assert_int_equal(job.wrong, 0);
            for (unsigned member = 0; member < threads; member++)
                assert_int_equal(job.turns[member][ROUNDS - 1], ROUNDS);
        }
        team_destroy(team);
    }
}

static void an_idle_team_ends(void **state)
{
    (void)state;
    struct team *team = NULL;
    assert_int_equal(team_create(THREADS, &team, NULL), STATUS_OK);
    team_destroy(team);
    team_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barriers_publish),
        cmocka_unit_test(an_idle_team_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
