#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/base/region.h"

/* What the kernel says is locked of this process. */
static size_t locked_bytes_of_process(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    char line[256];
    unsigned long kib = 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "VmLck: %lu kB", &kib) != 1)
        continue;
    (void)fclose(file);
    return kib * 1024;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void a_region_is_zeroed_aligned_and_whole(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 4095, 4096, 100000, (size_t)5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct region region;
        assert_int_equal(region_init(sizes[i], false, &region, NULL), STATUS_OK);
        assert_int_equal(region.size_bytes, sizes[i]);
        assert_int_equal(region.locked_bytes, 0);
        assert_int_equal((uintptr_t)region.data % page_bytes(), 0);
        uint8_t *bytes = region.data;
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(bytes[at], 0);
        memset(bytes, 0xff, sizes[i]);
        region_fini(&region);
    }
}

/* The sanitizers replace mlock by a function that does nothing and says that all is well. */
static bool is_mlock_real(void)
{
    size_t before = locked_bytes_of_process();
    void *page = mmap(NULL, page_bytes(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    bool is_real = mlock(page, page_bytes()) != 0 || locked_bytes_of_process() > before;
    assert_int_equal(munmap(page, page_bytes()), 0);
    return is_real;
}

static void what_counts_as_locked_is_locked(void **state)
{
    (void)state;
    if (!is_mlock_real()) {
        print_message("# a sanitizer's mlock locks nothing\n");
        skip();
    }
    const size_t size = 16 * page_bytes();
    size_t before = locked_bytes_of_process();
    struct region region;
    assert_int_equal(region_init(size, true, &region, NULL), STATUS_OK);
    assert_int_equal(locked_bytes_of_process() - before, region.locked_bytes);
    assert_true(region.locked_bytes == 0 || region.locked_bytes == size);
    region_fini(&region);
    assert_int_equal(locked_bytes_of_process(), before);
}

static void a_refused_lock_is_not_a_failure(void **state)
{
    (void)state;
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    struct error error = {0};
    struct region region;
    assert_int_equal(region_init(page_bytes(), true, &region, &error), STATUS_OK);
    assert_int_equal(error.status, STATUS_OK);
    memset(region.data, 1, page_bytes());
    if (geteuid() != 0) /* root may lock whatever the limit says */
        assert_int_equal(region.locked_bytes, 0);
    region_fini(&region);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

static void more_than_there_is_fails_and_writes_nothing(void **state)
{
    (void)state;
    struct error error = {0};
    struct region region = {.size_bytes = 77};
    assert_int_equal(region_init(SIZE_MAX / 2, false, &region, &error), STATUS_NO_MEMORY);
    assert_int_equal(error.status, STATUS_NO_MEMORY);
    assert_non_null(strstr(error.text, "9223372036854775807 bytes"));
    assert_int_equal(region.size_bytes, 77);
}

static void an_end_may_come_twice(void **state)
{
    (void)state;
    struct region region;
    assert_int_equal(region_init(1, false, &region, NULL), STATUS_OK);
    region_fini(&region);
    assert_null(region.data);
    assert_int_equal(region.size_bytes, 0);
    region_fini(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_region_is_zeroed_aligned_and_whole),
        cmocka_unit_test(what_counts_as_locked_is_locked),
        cmocka_unit_test(a_refused_lock_is_not_a_failure),
        cmocka_unit_test(more_than_there_is_fails_and_writes_nothing),
        cmocka_unit_test(an_end_may_come_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
