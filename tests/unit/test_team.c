#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "model/net/team.h"
#include "tests/unit/numa_fixture.h"

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
        assert_int_equal(team_create(threads, NULL, &team, NULL), STATUS_OK);
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
    assert_int_equal(team_create(THREADS, NULL, &team, NULL), STATUS_OK);
    team_destroy(team);
    team_destroy(NULL);
}

static void note_node(void *user, struct team *team, unsigned member)
{
    (void)team;
    int *nodes = user;
    for (int node = 0; node < 2; node++)
        if (numa_fixture_is_on((size_t)node))
            nodes[member] = node;
}

/* Of two nodes of one CPU each: members 2 and 3 of four on the second. Who calls stays free. */
static void a_team_is_spread_over_nodes(void **state)
{
    (void)state;
    const struct numa_topology *numa = numa_fixture_topology();
    if (!numa)
        skip();
    struct team *team = NULL;
    int nodes[4] = {-1, -1, -1, -1};
    assert_int_equal(team_create(4, numa, &team, NULL), STATUS_OK);
    team_run(team, note_node, nodes);
    team_destroy(team);
    const int expected[4] = {-1, 0, 1, 1};
    assert_memory_equal(nodes, expected, sizeof nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barriers_publish),
        cmocka_unit_test(an_idle_team_ends),
        cmocka_unit_test(a_team_is_spread_over_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
