/* Fixture trees stand in for /proc and /sys; the expected values follow from cgroups(7), proc(5)
 * and the kernel's documentation of the CPU controllers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config/cpu_count.h"
#include "tests/unit/system_fixture.h"

static const char mounts_v2[] =
    "22 1 0:21 / /proc rw shared:1 - proc proc rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char mounts_v1[] =
    "35 22 0:30 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "36 22 0:31 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n"
    "37 22 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

static void expect_quota(uint64_t expected)
{
    uint64_t thousandths = 0;
    assert_true(cpu_count_quota(system_fixture_root(), &thousandths));
    assert_int_equal(thousandths, expected);
}

static void expect_no_quota(void)
{
    uint64_t thousandths = 12345;
    assert_false(cpu_count_quota(system_fixture_root(), &thousandths));
    assert_int_equal(thousandths, 12345);
}

static void test_nothing_mounted(void **state)
{
    (void)state;
    expect_no_quota();
}

static void test_version_2_smallest_of_ancestors(void **state)
{
    (void)state;
    system_fixture_put("/proc/self/cgroup", "0::/pods/pod1/box\n");
    system_fixture_put("/proc/self/mountinfo", mounts_v2);
    system_fixture_put("/sys/fs/cgroup/pods/pod1/box/cpu.max", "max 100000\n");
    expect_no_quota();
    system_fixture_put("/sys/fs/cgroup/pods/cpu.max", "800000 100000\n");
    expect_quota(8000);
    system_fixture_put("/sys/fs/cgroup/pods/pod1/cpu.max", "125000 50000\n");
    expect_quota(2500);
    system_fixture_put("/sys/fs/cgroup/pods/pod1/box/cpu.max", "400000 100000\n");
    expect_quota(2500);
}

static void test_version_2_group_of_its_own(void **state)
{
    (void)state;
    system_fixture_put("/proc/self/cgroup", "0::/\n");
    system_fixture_put("/proc/self/mountinfo", mounts_v2);
    system_fixture_put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    expect_quota(500);
}

static void test_version_1(void **state)
{
    (void)state;
    system_fixture_put("/proc/self/cgroup",
                       "5:memory:/other\n4:cpuset:/elsewhere\n3:cpu,cpuacct:/a/b\n0::/\n");
    system_fixture_put("/proc/self/mountinfo", mounts_v1);
    system_fixture_put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    system_fixture_put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    expect_no_quota();
    system_fixture_put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
    system_fixture_put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    expect_quota(3000);
}

static void test_version_1_mounted_at_our_group(void **state)
{
    (void)state;
    system_fixture_put("/proc/self/cgroup", "3:cpu:/docker/abc\n");
    system_fixture_put("/proc/self/mountinfo",
                       "37 22 0:32 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
    system_fixture_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    system_fixture_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    expect_quota(1500);
}

static void test_both_versions(void **state)
{
    (void)state;
    system_fixture_put("/proc/self/cgroup", "3:cpu:/\n0::/x\n");
    char mounts[512];
    (void)snprintf(mounts, sizeof mounts, "%s%s", mounts_v2,
                   "37 22 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    system_fixture_put("/proc/self/mountinfo", mounts);
    system_fixture_put("/sys/fs/cgroup/x/cpu.max", "600000 100000\n");
    system_fixture_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "700000\n");
    system_fixture_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    expect_quota(6000);
}

static void test_nonsense(void **state)
{
    (void)state;
    system_fixture_put("/proc/self/cgroup", "garbage\n:\n0::/\n");
    system_fixture_put("/proc/self/mountinfo",
                       "short\n1 2 - x\n30 22 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n");
    system_fixture_put("/sys/fs/cgroup/cpu.max", "100000 0\n");
    expect_no_quota();
    system_fixture_put("/sys/fs/cgroup/cpu.max", "18446744073709551615 1\n");
    expect_no_quota();
}

static void test_usable_follows_the_affinity_mask(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(cpu_count_usable(), 1, (unsigned)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpu_count_usable(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

#define IN_ROOT(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, system_fixture_begin, system_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(test_nothing_mounted),
        IN_ROOT(test_version_2_smallest_of_ancestors),
        IN_ROOT(test_version_2_group_of_its_own),
        IN_ROOT(test_version_1),
        IN_ROOT(test_version_1_mounted_at_our_group),
        IN_ROOT(test_both_versions),
        IN_ROOT(test_nonsense),
        cmocka_unit_test(test_usable_follows_the_affinity_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
