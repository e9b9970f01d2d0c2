/* Fixture trees stand in for /sys and /proc; what the kernel writes there is from its
 * Documentation/ABI/stable/sysfs-devices-node, proc(5) and the list format of cpuset(7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/base/numa.h"
#include "tests/unit/system_fixture.h"

static void put_online(const char *nodes, const char *memory)
{
    char status[256];
    (void)snprintf(status, sizeof status,
                   "Name:\tx\nCpus_allowed_list:\t0-63\nMems_allowed:\t3\nMems_allowed_list:\t%s",
                   memory);
    system_fixture_put("/sys/devices/system/node/online", nodes);
    system_fixture_put("/proc/self/status", status);
}

static void put_node(unsigned number, const char *cpus)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/sys/devices/system/node/node%u/cpulist", number);
    system_fixture_put(path, cpus);
}

static struct numa_cpus range(size_t first, size_t last)
{
    struct numa_cpus cpus = {0};
    for (size_t cpu = first; cpu <= last; cpu++)
        CPU_SET_S(cpu, sizeof cpus, cpus.sets);
    return cpus;
}

static struct numa_cpus both(struct numa_cpus a, struct numa_cpus b)
{
    CPU_OR_S(sizeof a, a.sets, a.sets, b.sets);
    return a;
}

static void expect_nodes(struct numa_cpus allowed, size_t count, const struct numa_node *expected)
{
    struct numa_topology topology = {.node_count = 99};
    assert_int_equal(numa_topology_init(system_fixture_root(), &allowed, &topology, NULL),
                     STATUS_OK);
    assert_int_equal(topology.node_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(topology.nodes[i].number, expected[i].number);
        assert_int_equal(topology.nodes[i].cpu_count, expected[i].cpu_count);
        assert_memory_equal(&topology.nodes[i].cpus, &expected[i].cpus, sizeof(struct numa_cpus));
    }
    if (count == 0)
        assert_null(topology.nodes);
    numa_topology_fini(&topology);
    assert_int_equal(topology.node_count, 0);
}

static void expect_no_part(struct numa_cpus allowed)
{
    expect_nodes(allowed, 0, NULL);
}

static void test_two_sockets(void **state)
{
    (void)state;
    put_online("0-1\n", "0-1\n");
    put_node(0, "0-3,8-11\n");
    put_node(1, "4-7,12-15\n");
    const struct numa_node expected[] = {{0, 8, both(range(0, 3), range(8, 11))},
                                         {1, 8, both(range(4, 7), range(12, 15))}};
    expect_nodes(range(0, 15), 2, expected);
}

static void test_numbers_with_gaps(void **state)
{
    (void)state;
    put_online("0,8,17\n", "0,8,17\n");
    put_node(0, "0\n");
    put_node(8, "2,4,6\n");
    put_node(17, "1030-1031\n"); /* over what glibc's own set holds */
    struct numa_cpus eight = both(both(range(2, 2), range(4, 4)), range(6, 6));
    const struct numa_node expected[] = {
        {0, 1, range(0, 0)}, {8, 3, eight}, {17, 2, range(1030, 1031)}};
    expect_nodes(both(both(range(0, 0), eight), range(1030, 1031)), 3, expected);
}

/* Memory alone, behind CXL or beside the CPUs as HBM. */
static void test_a_node_without_cpus(void **state)
{
    (void)state;
    put_online("0-2\n", "0-2\n");
    put_node(0, "0-1\n");
    put_node(1, "\n");
    put_node(2, "2-3\n");
    const struct numa_node expected[] = {{0, 2, range(0, 1)}, {2, 2, range(2, 3)}};
    expect_nodes(range(0, 3), 2, expected);
    put_node(2, "\n");
    expect_no_part(range(0, 1));
}

/* The kernel's masks have no CPU that is switched off, and its nodes neither. */
static void test_cpus_that_are_off(void **state)
{
    (void)state;
    put_online("0-1\n", "0-1\n");
    put_node(0, "0,2-3\n");
    put_node(1, "4-6\n");
    struct numa_cpus zero = both(range(0, 0), range(2, 3));
    const struct numa_node expected[] = {{0, 3, zero}, {1, 3, range(4, 6)}};
    expect_nodes(both(zero, range(4, 6)), 2, expected);
    expect_no_part(range(0, 7)); /* an allowed CPU that no node has: who knows where it is */
}

static void test_the_mask_leaves_out(void **state)
{
    (void)state;
    put_online("0-2\n", "0-2\n");
    put_node(0, "0-3\n");
    put_node(1, "4-7\n");
    put_node(2, "8-11\n");
    const struct numa_node expected[] = {{1, 2, range(6, 7)}, {2, 1, range(8, 8)}};
    expect_nodes(range(6, 8), 2, expected);
    expect_no_part(range(4, 7));
    expect_no_part((struct numa_cpus){0});
}

static void test_one_node(void **state)
{
    (void)state;
    put_online("0\n", "0\n");
    put_node(0, "0-7\n");
    expect_no_part(range(0, 7));
}

/* No memory is plugged in there, or a control group keeps us from it. */
static void test_a_node_whose_memory_is_not_ours(void **state)
{
    (void)state;
    put_online("0-1\n", "0\n");
    put_node(0, "0-1\n");
    put_node(1, "2-3\n");
    expect_no_part(range(0, 3));
    put_online("0-1\n", "1\n");
    expect_no_part(range(0, 3));
    put_online("0-1\n", "0-1\n");
    const struct numa_node expected[] = {{0, 2, range(0, 1)}, {1, 2, range(2, 3)}};
    expect_nodes(range(0, 3), 2, expected);
}

static void test_files_that_are_not_there(void **state)
{
    (void)state;
    expect_no_part(range(0, 3));
    put_online("0-1\n", "0-1\n");
    expect_no_part(range(0, 3));
    put_node(0, "0-1\n");
    expect_no_part(range(0, 3));
    put_node(1, "2-3\n");
    const struct numa_node expected[] = {{0, 2, range(0, 1)}, {1, 2, range(2, 3)}};
    expect_nodes(range(0, 3), 2, expected);
    system_fixture_put("/proc/self/status", "Name:\tx\n");
    expect_no_part(range(0, 3));
}

static void test_nonsense(void **state)
{
    (void)state;
    const char *const lists[] = {"2-3",    "",        "2-3,\n", ",2-3\n",
                                 "2--3\n", "2-3 \n",  "3-2\n",  "2-8192\n",
                                 "x\n",    "2-3:1\n", "-3\n",   "2-99999999999999999999\n"};
    put_online("0-1\n", "0-1\n");
    put_node(0, "0-1\n");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        put_node(1, lists[i]);
        expect_no_part(range(0, 3));
    }
    /* A line that does not end within the longest that there can be. */
    char *endless = malloc(200001);
    assert_non_null(endless);
    for (size_t i = 0; i < 200000; i += 2)
        memcpy(endless + i, "2,", 2);
    strcpy(endless + 200000 - 4, "2-3\n");
    put_node(1, endless);
    free(endless);
    expect_no_part(range(0, 3));
}

static void test_threads_are_shared_out(void **state)
{
    (void)state;
    struct numa_node nodes[] = {{0, 2, range(0, 1)}, {3, 4, range(2, 5)}, {4, 2, range(6, 7)}};
    const struct numa_topology topology = {3, nodes};
    const struct {
        unsigned count;
        size_t expected[16];
    } cases[] = {
        {8, {0, 0, 1, 1, 1, 1, 2, 2}},
        {16, {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2}},
        {4, {0, 1, 1, 2}},
        {3, {0, 1, 2}},
        {1, {1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned k = 0; k < cases[i].count; k++)
            assert_int_equal(numa_topology_share(&topology, k, cases[i].count),
                             cases[i].expected[k]);
    assert_int_equal(numa_topology_find(&topology, 0), 0);
    assert_int_equal(numa_topology_find(&topology, 5), 1);
    assert_int_equal(numa_topology_find(&topology, 6), 2);
    assert_int_equal(numa_topology_find(&topology, 8), 0);
    assert_int_equal(numa_topology_find(&topology, NUMA_MAX_CPUS), 0);
    assert_int_equal(numa_topology_find(&topology, -1), 0);
}

static void test_on_one_node(void **state)
{
    (void)state;
    struct numa_node nodes[] = {{0, 2, range(0, 1)}, {3, 4, range(2, 5)}};
    const struct numa_topology topology = {2, nodes};
    const struct numa_cpus none = {0}, first = range(0, 1), part = range(3, 4),
                           across = range(1, 2), beyond = range(5, 6);
    assert_true(numa_topology_is_on_one(&topology, &first));
    assert_true(numa_topology_is_on_one(&topology, &part));
    assert_false(numa_topology_is_on_one(&topology, &across));
    assert_false(numa_topology_is_on_one(&topology, &beyond));
    assert_false(numa_topology_is_on_one(&topology, &none));
}

static void test_a_bound_thread_is_where_it_should_be(void **state)
{
    (void)state;
    struct numa_cpus before, now;
    cpu_set_t seen;
    numa_affinity(&before);
    int cpus = CPU_COUNT_S(sizeof before, before.sets);
    assert_true(cpus > 0);
    assert_int_equal(sched_getaffinity(0, sizeof seen, &seen), 0);
    assert_int_equal(CPU_COUNT(&seen), cpus);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &seen))
            continue;
        struct numa_cpus one = range(cpu, cpu);
        numa_bind(&one);
        assert_int_equal(sched_getcpu(), cpu);
        numa_affinity(&now);
        assert_memory_equal(&now, &one, sizeof now);
    }
    numa_bind(&(struct numa_cpus){0});
    numa_affinity(&now);
    assert_int_equal(CPU_COUNT_S(sizeof now, now.sets), 1);
    numa_bind(&before);
    numa_affinity(&now);
    assert_memory_equal(&now, &before, sizeof now);
}

/* Whatever this machine is: what it says about itself holds together. */
static void test_this_machine(void **state)
{
    (void)state;
    struct numa_topology topology;
    struct numa_cpus own;
    int cpus = 0;
    numa_affinity(&own);
    assert_int_equal(numa_topology_init("", NULL, &topology, NULL), STATUS_OK);
    for (size_t i = 0; i < topology.node_count; i++)
        cpus += CPU_COUNT_S(sizeof own, topology.nodes[i].cpus.sets);
    assert_true(topology.node_count == 0 ||
                (topology.node_count > 1 && cpus == CPU_COUNT_S(sizeof own, own.sets)));
    numa_topology_fini(&topology);
}

#define IN_ROOT(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, system_fixture_begin, system_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(test_two_sockets),
        IN_ROOT(test_numbers_with_gaps),
        IN_ROOT(test_a_node_without_cpus),
        IN_ROOT(test_cpus_that_are_off),
        IN_ROOT(test_the_mask_leaves_out),
        IN_ROOT(test_one_node),
        IN_ROOT(test_a_node_whose_memory_is_not_ours),
        IN_ROOT(test_files_that_are_not_there),
        IN_ROOT(test_nonsense),
        cmocka_unit_test(test_threads_are_shared_out),
        cmocka_unit_test(test_on_one_node),
        cmocka_unit_test(test_a_bound_thread_is_where_it_should_be),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
