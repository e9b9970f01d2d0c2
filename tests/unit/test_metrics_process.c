#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/metrics_process.h"

static void descriptors_are_counted(void **state)
{
    (void)state;
    struct metrics_process before, after;
    metrics_process_read(&before);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    metrics_process_read(&after);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(after.open_fds - before.open_fds, 2);
    assert_true(before.open_fds >= 3);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(after.max_fds, limit.rlim_cur);
}

static void memory_that_is_touched_becomes_resident(void **state)
{
    (void)state;
    enum { SIZE_BYTES = 64 << 20 };
    struct metrics_process before, mapped, touched;
    metrics_process_read(&before);
    uint8_t *memory =
        mmap(NULL, SIZE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    metrics_process_read(&mapped);
    memset(memory, 1, SIZE_BYTES);
    metrics_process_read(&touched);
    munmap(memory, SIZE_BYTES);
    assert_true(mapped.virtual_bytes - before.virtual_bytes >= SIZE_BYTES);
    /* A sanitizer's shadow of it becomes resident, too. */
    assert_in_range(touched.resident_bytes - mapped.resident_bytes, SIZE_BYTES * 9LL / 10,
                    SIZE_BYTES * 16LL);
    assert_in_range(touched.threads, 1, 8);
}

static void it_started_lately_and_uses_the_cpu(void **state)
{
    (void)state;
    struct metrics_process process, later;
    metrics_process_read(&process);
    int64_t age_s = (int64_t)time(NULL) - process.start_time_us / 1000000;
    assert_in_range(age_s + 2, 0, 300); /* the boot time is rounded */
    do
        metrics_process_read(&later);
    while (later.cpu_us == process.cpu_us);
    assert_true(later.cpu_us > process.cpu_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_counted),
        cmocka_unit_test(memory_that_is_touched_becomes_resident),
        cmocka_unit_test(it_started_lately_and_uses_the_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
