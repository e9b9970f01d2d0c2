#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/fetch/part_file.h"

static const char hash_of_abc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static char folder[32], path[64], part_path[80];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/classifyd_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a/b/w.pth", folder);
    (void)snprintf(part_path, sizeof part_path, "%s.part", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static struct part_file opened(void)
{
    struct part_file part = {.fd = -1};
    struct error error = {0};
    if (part_file_init(path, NULL, NULL, &part, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return part;
}

static void append(struct part_file *part, const char *text)
{
    struct span span = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(part_file_append(part, span, NULL), STATUS_OK);
}

static bool is_there(const char *file)
{
    return access(file, F_OK) == 0;
}

static void what_was_written_is_found_again(void **state)
{
    (void)state;
    struct part_file part = opened();
    assert_int_equal(part.bytes, 0);
    append(&part, "ab");
    part_file_fini(&part);
    assert_true(is_there(part_path));

    part = opened();
    assert_int_equal(part.bytes, 2);
    assert_int_equal(part.resumed_bytes, 2);
    append(&part, "c");
    char hex[CHECKSUM_HEX_BYTES];
    assert_int_equal(checksum_format(part.checksum, hex, NULL), STATUS_OK);
    assert_string_equal(hex, hash_of_abc);
    assert_int_equal(part_file_commit(&part, NULL), STATUS_OK);
    part_file_fini(&part);
    assert_true(is_there(path));
    assert_false(is_there(part_path));
}

static void restart_forgets_what_was_there(void **state)
{
    (void)state;
    struct part_file part = opened();
    append(&part, "something longer");
    part_file_fini(&part);
    part = opened();
    assert_int_equal(part_file_restart(&part, NULL), STATUS_OK);
    append(&part, "abc");
    assert_int_equal(part.bytes, 3);
    assert_int_equal(part.resumed_bytes, 0);
    struct stat info;
    assert_int_equal(stat(part_path, &info), 0);
    assert_int_equal(info.st_size, 3);
    part_file_discard(&part);
    part_file_fini(&part);
    assert_false(is_there(part_path));
}

static void empty_part_is_not_left_behind(void **state)
{
    (void)state;
    struct part_file part = opened();
    assert_true(is_there(part_path));
    part_file_fini(&part);
    assert_false(is_there(part_path));
}

static void unusable_folders_are_named(void **state)
{
    (void)state;
    struct part_file part = {.fd = -1};
    struct error error = {0};
    assert_int_equal(part_file_init("/proc/none/w.pth", NULL, NULL, &part, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "/proc/none"));
    assert_int_equal(part.fd, -1);
    error = (struct error){0};
    assert_int_equal(part_file_init("/dev/null/w.pth", NULL, NULL, &part, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "/dev/null"));
}

static void full_disk_is_reported(void **state)
{
    (void)state;
    struct part_file part = opened();
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);
    assert_true(full >= 0);
    assert_true(dup2(full, part.fd) >= 0);
    close(full);
    struct error error = {0};
    assert_int_equal(part_file_append(&part, (struct span){(const uint8_t *)"a", 1}, &error),
                     STATUS_IO);
    assert_non_null(strstr(error.text, "No space left"));
    part_file_fini(&part);
    assert_int_equal(unlink(part_path), 0);
}

/* Told that somebody else has the file; lets them finish. */
static void let_go(void *user)
{
    int *pipe_end = user;
    assert_int_equal(write(*pipe_end, "x", 1), 1);
    *pipe_end = -1;
}

/* A child that holds the part, tells us so, and moves it into place when we wait for it. */
static void hold_and_commit(int tell, int hear)
{
    char byte;
    struct part_file part = opened();
    append(&part, "abc");
    bool is_told = write(tell, "x", 1) == 1 && read(hear, &byte, 1) == 1;
    bool is_done = is_told && part_file_commit(&part, NULL) == STATUS_OK;
    part_file_fini(&part);
    _exit(is_done ? 0 : 1);
}

static void second_waits_for_the_first(void **state)
{
    (void)state;
    (void)unlink(path);
    int told[2], heard[2], status;
    char byte;
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(heard), 0);
    pid_t child = fork();
    if (child == 0)
        hold_and_commit(told[1], heard[0]);
    assert_int_equal(read(told[0], &byte, 1), 1);

    struct part_file part = {.fd = -1};
    int pipe_end = heard[1];
    assert_int_equal(part_file_init(path, let_go, &pipe_end, &part, NULL), STATUS_OK);
    assert_int_equal(pipe_end, -1);
    /* What we waited for has been moved away: ours is a new one. */
    assert_int_equal(part.bytes, 0);
    assert_true(is_there(path));
    part_file_fini(&part);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_found_again),
        cmocka_unit_test(restart_forgets_what_was_there),
        cmocka_unit_test(empty_part_is_not_left_behind),
        cmocka_unit_test(unusable_folders_are_named),
        cmocka_unit_test(full_disk_is_reported),
        cmocka_unit_test(second_waits_for_the_first),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
