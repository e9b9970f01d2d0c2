/* How engine threads are shared out over teams and NUMA nodes. Machines are made up; what is asked
 * is that no CPU has more to do than its share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/pipeline/lane.h"

enum { MAX_NODES = 32 };

/* `count` nodes of `cpus` CPUs; who they are does not matter. */
static struct numa_topology make_nodes(size_t count, unsigned cpus, struct numa_node *nodes)
{
    for (size_t i = 0; i < count; i++)
        nodes[i] = (struct numa_node){.number = (unsigned)i, .cpu_count = cpus};
    return (struct numa_topology){count, nodes};
}

static unsigned threads_on(const struct numa_topology *numa, unsigned engine_threads, size_t node)
{
    unsigned batches = lane_batch_threads(engine_threads), threads = 0;
    for (unsigned i = 0; i < batches; i++)
        if (numa_topology_share(numa, i, batches) == node)
            threads += lane_team_threads(engine_threads, i);
    return threads;
}

static void teams_have_all_threads(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 1024; threads++) {
        unsigned batches = lane_batch_threads(threads), sum = 0;
        for (unsigned i = 0; i < batches; i++) {
            unsigned team = lane_team_threads(threads, i);
            assert_in_range(team, threads / batches, threads / batches + (threads % batches > 0));
            sum += team;
        }
        assert_int_equal(sum, threads);
    }
}

/* Two sockets, whatever their size, and four, each with a thread a CPU. */
static void every_cpu_of_two_nodes_has_one_thread(void **state)
{
    (void)state;
    static struct numa_node nodes[MAX_NODES];
    for (unsigned cpus = 1; cpus <= 256; cpus++) {
        const struct numa_topology two = make_nodes(2, cpus, nodes);
        assert_true(lane_suits_nodes(2 * cpus, &two));
        for (size_t node = 0; node < 2; node++)
            assert_int_equal(threads_on(&two, 2 * cpus, node), cpus);
        const struct numa_topology four = make_nodes(4, cpus, nodes);
        assert_true(lane_suits_nodes(4 * cpus, &four));
        for (size_t node = 0; node < 4; node++)
            assert_int_equal(threads_on(&four, 4 * cpus, node), cpus);
    }
}

static void what_cannot_be_shared_out_is_not(void **state)
{
    (void)state;
    static struct numa_node nodes[MAX_NODES];
    const struct {
        size_t nodes;
        unsigned cpus, threads;
        bool is_suitable;
    } cases[] = {
        {2, 8, 1, false},     /* a node without a thread */
        {2, 8, 2, true},      /* as a quota of two CPUs leaves them */
        {2, 1, 3, true},      /* one more than CPUs has to be somewhere */
        {3, 8, 24, true},     /* 7, 9 and 8 */
        {8, 8, 64, true},     /* two teams a node */
        {16, 4, 64, true},    /* a team a node */
        {12, 16, 192, false}, /* teams of 12: 24 threads on some nodes */
        {24, 8, 192, false},  /* each last-level cache a node: 12 threads for 8 CPUs, or none */
        {32, 4, 128, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct numa_topology numa = make_nodes(cases[i].nodes, cases[i].cpus, nodes);
        assert_int_equal(lane_suits_nodes(cases[i].threads, &numa), cases[i].is_suitable);
    }
    /* What an affinity mask leaves of two sockets. */
    nodes[0].cpu_count = 60;
    nodes[1].cpu_count = 4;
    const struct numa_topology uneven = {2, nodes};
    assert_true(lane_suits_nodes(64, &uneven));
    assert_int_equal(threads_on(&uneven, 64, 0), 60);
    const struct numa_topology none = {0};
    assert_true(lane_suits_nodes(1, &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(teams_have_all_threads),
        cmocka_unit_test(every_cpu_of_two_nodes_has_one_thread),
        cmocka_unit_test(what_cannot_be_shared_out_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
