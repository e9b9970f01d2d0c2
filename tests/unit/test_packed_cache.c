#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/base/fingerprint.h"
#include "model/net/plan.h"
#include "model/net/weights_random.h"

struct fixture {
    char folder[64], path[128], part[160];
    struct weights *weights;
    struct graph *graph;
    const struct kernel_set *set;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct weights_random_spec spec = {
        .blocks = {1, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = 10, .seed = 5};
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/packed_cache.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/net.generic.float32.packed",
                   fixture->folder);
    (void)snprintf(fixture->part, sizeof fixture->part, "%s.part", fixture->path);
    assert_int_equal(weights_random_create(&spec, &fixture->weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(fixture->weights, &fixture->graph, NULL), STATUS_OK);
    assert_int_equal(kernels_choose("generic", &fixture->set, NULL), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    (void)chmod(fixture->folder, S_IRWXU);
    (void)unlink(fixture->path);
    (void)unlink(fixture->part);
    assert_int_equal(rmdir(fixture->folder), 0);
    graph_destroy(fixture->graph);
    weights_destroy(fixture->weights);
    free(fixture);
    return 0;
}

/* One start: what becomes of the cache, before and after it is stored. */
struct start {
    struct packed_cache cache;
    struct plan plan;
};

static struct start start_with(const struct fixture *fixture, uint64_t source_key, unsigned threads)
{
    struct start start = {.cache = {.source_key = source_key, .mode = S_IRUSR | S_IWUSR}};
    const struct plan_options options = {.input_px = 64,
                                         .std = {1, 1, 1},
                                         .threads = threads,
                                         .precision = "float32",
                                         .cache = &start.cache};
    assert_int_equal(packed_cache_add_place(&start.cache, fixture->folder, "net", NULL), STATUS_OK);
    assert_int_equal(plan_init(fixture->graph, fixture->set, &options, &start.plan, NULL),
                     STATUS_OK);
    return start;
}

static void end(struct start *start)
{
    plan_fini(&start->plan);
    packed_cache_fini(&start->cache);
}

/* A start that finds nothing to use, and why; it stores. */
static void assert_not_used(const struct fixture *fixture, uint64_t source_key, const char *why)
{
    struct start start = start_with(fixture, source_key, 1);
    assert_int_equal(start.cache.state, PACKED_CACHE_PACKED);
    if (!strstr(start.cache.reason, why))
        fail_msg("\"%s\" is not among \"%s\"", why, start.cache.reason);
    packed_cache_store(&start.cache, plan_header(&start.plan));
    assert_int_equal(start.cache.state, PACKED_CACHE_STORED);
    assert_string_equal(start.cache.path, fixture->path);
    end(&start);
}

/* A start that uses the file, whose weights are those that are packed without one. */
static void assert_used(const struct fixture *fixture, uint64_t source_key)
{
    const struct plan_options options = {.input_px = 64, .std = {1, 1, 1}, .threads = 1};
    struct start start = start_with(fixture, source_key, 1);
    struct plan plan;
    assert_int_equal(start.cache.state, PACKED_CACHE_USED);
    assert_string_equal(start.cache.reason, "");
    assert_int_equal(plan_init(fixture->graph, fixture->set, &options, &plan, NULL), STATUS_OK);
    assert_int_equal(plan.packed.size_bytes, start.plan.packed.size_bytes);
    for (size_t i = 0; i < plan.step_count; i++)
        if (plan.steps[i].packed_bytes > 0)
            assert_memory_equal(plan.steps[i].packed, start.plan.steps[i].packed,
                                plan.steps[i].packed_bytes);
    plan_fini(&plan);
    packed_cache_store(&start.cache, plan_header(&start.plan));
    assert_int_equal(start.cache.state, PACKED_CACHE_USED);
    end(&start);
}

static void the_second_start_uses_what_the_first_stored(void **state)
{
    assert_not_used(*state, 1, "there was none yet");
    assert_used(*state, 1);
    assert_not_used(*state, 2, "is of other weights");
    assert_used(*state, 2);
}

static void threads_pack_the_same_bytes(void **state)
{
    const struct fixture *fixture = *state;
    struct start one = start_with(fixture, 1, 1), many = start_with(fixture, 1, 5);
    assert_memory_equal(one.plan.packed.data, many.plan.packed.data, one.plan.packed.size_bytes);
    end(&one);
    end(&many);
}

static void change_byte(const struct fixture *fixture, long offset, int whence)
{
    uint8_t byte;
    int fd = open(fixture->path, O_RDWR);
    off_t at = lseek(fd, offset, whence);
    assert_true(at >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

/* Every byte of the header, and some of the weights. */
static void a_damaged_file_is_not_used(void **state)
{
    const struct fixture *fixture = *state;
    struct stat info;
    assert_not_used(fixture, 1, "there was none yet");
    for (long i = 0; i < (long)sizeof(struct packed_cache_header); i++) {
        change_byte(fixture, i, SEEK_SET);
        assert_not_used(fixture, 1,
                        i < (long)offsetof(struct packed_cache_header, checksum) ? "other weights"
                                                                                 : "is damaged");
    }
    assert_int_equal(stat(fixture->path, &info), 0);
    for (long at = sizeof(struct packed_cache_header); at < info.st_size; at += info.st_size / 7) {
        change_byte(fixture, at, SEEK_SET);
        assert_not_used(fixture, 1, "is damaged");
    }
    change_byte(fixture, -1, SEEK_END);
    assert_not_used(fixture, 1, "is damaged");
    assert_used(fixture, 1);
}

static void a_file_of_another_length_is_not_used(void **state)
{
    const struct fixture *fixture = *state;
    struct stat info;
    assert_not_used(fixture, 1, "there was none yet");
    assert_int_equal(stat(fixture->path, &info), 0);
    const off_t lengths[] = {0, 1, sizeof(struct packed_cache_header), info.st_size - 1,
                             info.st_size + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(truncate(fixture->path, lengths[i]), 0);
        assert_not_used(fixture, 1, "not whole");
    }
}

/* As a program would have left it whose kernels pack otherwise, with everything else right. */
static void weights_that_were_packed_otherwise_are_not_used(void **state)
{
    const struct fixture *fixture = *state;
    assert_not_used(fixture, 1, "there was none yet");
    struct start start = start_with(fixture, 1, 1);
    size_t size = start.plan.packed.size_bytes, first = 0;
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, start.plan.packed.data, size);
    while (start.plan.steps[first].packed_bytes == 0)
        first++;
    size_t at = (size_t)((const uint8_t *)start.plan.steps[first].packed -
                         (const uint8_t *)start.plan.packed.data);
    copy[at + 4] ^= 1;
    struct packed_cache_header *header = (struct packed_cache_header *)(void *)copy;
    header->checksum = fingerprint_of(header + 1, size - sizeof *header);
    end(&start);
    int fd = open(fixture->path, O_WRONLY);
    assert_int_equal(write(fd, copy, size), size);
    assert_int_equal(close(fd), 0);
    free(copy);
    assert_not_used(fixture, 1, "was packed in another way");
}

static void what_others_may_have_written_is_not_used(void **state)
{
    const struct fixture *fixture = *state;
    assert_not_used(fixture, 1, "there was none yet");
    assert_int_equal(chmod(fixture->path, 0622), 0);
    assert_not_used(fixture, 1, "may be written by others");
    assert_int_equal(chmod(fixture->path, 0660), 0);
    assert_not_used(fixture, 1, "may be written by others");
    assert_used(fixture, 1);
    if (geteuid() == 0) {
        assert_int_equal(chown(fixture->path, 12345, 12345), 0);
        assert_not_used(fixture, 1, "belongs to another user");
    }
}

static void what_is_no_file_is_not_used(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(mkfifo(fixture->path, S_IRUSR | S_IWUSR), 0);
    assert_not_used(fixture, 1, "is no regular file");
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(symlink("/etc/hostname", fixture->path), 0);
    assert_not_used(fixture, 1, "symbolic link");
    assert_used(fixture, 1);
}

static void assert_not_stored(const struct fixture *fixture, const char *why)
{
    struct start start = start_with(fixture, 1, 1);
    packed_cache_store(&start.cache, plan_header(&start.plan));
    assert_int_equal(start.cache.state, PACKED_CACHE_PACKED);
    assert_null(start.cache.path);
    if (!strstr(start.cache.reason, why))
        fail_msg("\"%s\" is not among \"%s\"", why, start.cache.reason);
    end(&start);
    assert_int_not_equal(access(fixture->path, F_OK), 0);
}

static void a_folder_that_is_read_only_stays_as_it_is(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(chmod(fixture->folder, S_IRUSR | S_IXUSR), 0);
    assert_not_stored(fixture, "cannot be written");
    assert_int_not_equal(access(fixture->part, F_OK), 0);
}

/* As a process that writes just now holds it, and as one that crashed left it. */
static void a_part_belongs_to_who_locks_it(void **state)
{
    const struct fixture *fixture = *state;
    int fd = open(fixture->part, O_WRONLY | O_CREAT, S_IRUSR | S_IWUSR);
    assert_int_equal(write(fd, "half", 4), 4);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_not_stored(fixture, "is being written by somebody else");
    assert_int_equal(close(fd), 0);
    assert_not_used(fixture, 1, "there was none yet");
    assert_int_not_equal(access(fixture->part, F_OK), 0);
    assert_used(fixture, 1);
}

/* What was put in the part's place leads to something that must not be written over. */
static void a_part_that_is_linked_is_left_alone(void **state)
{
    const struct fixture *fixture = *state;
    char precious[160];
    struct stat info;
    (void)snprintf(precious, sizeof precious, "%s/precious", fixture->folder);
    int fd = open(precious, O_WRONLY | O_CREAT, S_IRUSR | S_IWUSR);
    assert_int_equal(write(fd, "precious", 8), 8);
    assert_int_equal(close(fd), 0);
    assert_int_equal(link(precious, fixture->part), 0);
    assert_not_stored(fixture, "is being written by somebody else");
    assert_int_equal(unlink(fixture->part), 0);
    assert_int_equal(symlink(precious, fixture->part), 0);
    assert_not_stored(fixture, "symbolic link");
    assert_int_equal(stat(precious, &info), 0);
    assert_int_equal(info.st_size, 8);
    assert_int_equal(unlink(precious), 0);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_second_start_uses_what_the_first_stored),
        CASE(threads_pack_the_same_bytes),
        CASE(a_damaged_file_is_not_used),
        CASE(a_file_of_another_length_is_not_used),
        CASE(weights_that_were_packed_otherwise_are_not_used),
        CASE(what_others_may_have_written_is_not_used),
        CASE(what_is_no_file_is_not_used),
        CASE(a_folder_that_is_read_only_stays_as_it_is),
        CASE(a_part_belongs_to_who_locks_it),
        CASE(a_part_that_is_linked_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
