#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/base/mapped_file.h"

/* A folder of its own a test, with at most one thing in it. */
struct fixture {
    char folder[64], path[96];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_mapped_file.XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/file", fixture->folder);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    (void)unlink(fixture->path);
    int status = rmdir(fixture->folder);
    free(fixture);
    return status;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A mapped_file that no failed call may have touched. */
static const struct mapped_file untouched = {.bytes = {NULL, 77}};

static void assert_fails(const char *path, size_t limit_bytes, enum status status)
{
    struct error error = {0};
    struct mapped_file file = untouched;
    assert_int_equal(mapped_file_init(path, limit_bytes, &file, &error), status);
    assert_int_equal(error.status, status);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(file.bytes.size, untouched.bytes.size);
}

static void a_file_is_mapped(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "a\0bc", 4);
    struct mapped_file file;
    assert_int_equal(mapped_file_init(fixture->path, 100, &file, NULL), STATUS_OK);
    assert_true(file.is_mapped);
    assert_int_equal(file.bytes.size, 4);
    assert_memory_equal(file.bytes.data, "a\0bc", 4);
    mapped_file_fini(&file);
    assert_null(file.bytes.data);
    mapped_file_fini(&file);
}

static void bytes_stay_when_the_file_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "old", 3);
    struct mapped_file file;
    assert_int_equal(mapped_file_init(fixture->path, 100, &file, NULL), STATUS_OK);
    assert_int_equal(unlink(fixture->path), 0);
    write_file(fixture->path, "new", 3);
    assert_memory_equal(file.bytes.data, "old", 3);
    mapped_file_fini(&file);
}

static void the_limit_is_the_largest_size(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "12345", 5);
    struct mapped_file file;
    assert_int_equal(mapped_file_init(fixture->path, 5, &file, NULL), STATUS_OK);
    mapped_file_fini(&file);
    assert_fails(fixture->path, 4, STATUS_TOO_LARGE);
}

static void an_empty_file_is_empty(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "", 0);
    struct mapped_file file;
    assert_int_equal(mapped_file_init(fixture->path, 0, &file, NULL), STATUS_OK);
    assert_int_equal(file.bytes.size, 0);
    mapped_file_fini(&file);
}

static void a_file_whose_size_reads_zero_is_read(void **state)
{
    (void)state;
    struct mapped_file file;
    assert_int_equal(mapped_file_init("/proc/self/cmdline", 4096, &file, NULL), STATUS_OK);
    assert_false(file.is_mapped);
    assert_true(span_has(file.bytes, file.bytes.size - 17, "test_mapped_file\0", 17));
    mapped_file_fini(&file);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    assert_fails(fixture->path, 100, STATUS_NOT_FOUND);
    write_file(fixture->path, "a", 1);
    char below[128];
    (void)snprintf(below, sizeof below, "%s/below", fixture->path);
    assert_fails(below, 100, STATUS_NOT_FOUND);
}

static void a_folder_is_no_file(void **state)
{
    struct fixture *fixture = *state;
    assert_fails(fixture->folder, 100, STATUS_IO);
}

static void a_file_without_permission_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    const uid_t us = geteuid(), nobody = 65534;
    write_file(fixture->path, "a", 1);
    assert_int_equal(chmod(fixture->path, 0), 0);
    if (us == 0 && seteuid(nobody) != 0) { /* root may read everything */
        print_message("# root that may not become another user\n");
        skip();
    }
    assert_fails(fixture->path, 100, STATUS_IO);
    if (us == 0)
        assert_int_equal(seteuid(us), 0);
}

enum { STREAM_BYTES = 300001 };

static uint8_t stream_byte(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

/* Writes STREAM_BYTES into the pipe at `path`, or as many as the reader takes. */
static void *write_stream(void *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < STREAM_BYTES; at++) {
        uint8_t byte = stream_byte(at);
        if (write(fd, &byte, 1) != 1)
            break;
    }
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

static pthread_t start_stream(const struct fixture *fixture)
{
    pthread_t writer;
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_stream, (void *)(uintptr_t)fixture->path),
                     0);
    return writer;
}

static void a_pipe_is_read_to_its_end(void **state)
{
    struct fixture *fixture = *state;
    pthread_t writer = start_stream(fixture);
    struct mapped_file file;
    assert_int_equal(mapped_file_init(fixture->path, STREAM_BYTES, &file, NULL), STATUS_OK);
    (void)pthread_join(writer, NULL);
    assert_false(file.is_mapped);
    assert_int_equal(file.bytes.size, STREAM_BYTES);
    for (size_t at = 0; at < STREAM_BYTES; at++)
        assert_int_equal(file.bytes.data[at], stream_byte(at));
    mapped_file_fini(&file);
}

static void a_pipe_over_the_limit_is_too_large(void **state)
{
    struct fixture *fixture = *state;
    pthread_t writer = start_stream(fixture);
    assert_fails(fixture->path, STREAM_BYTES - 1, STATUS_TOO_LARGE);
    (void)pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_mapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_stay_when_the_file_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limit_is_the_largest_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_is_empty, set_up, tear_down),
        cmocka_unit_test(a_file_whose_size_reads_zero_is_read),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_is_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_without_permission_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pipe_is_read_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pipe_over_the_limit_is_too_large, set_up, tear_down),
    };
    /* The reader of a pipe may close it first. */
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
