#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/base/output_file.h"

struct fixture {
    char folder[64], path[96];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/output_file.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/file", fixture->folder);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    (void)unlink(fixture->path);
    assert_int_equal(rmdir(fixture->folder), 0); /* nothing else is left in it */
    free(fixture);
    return 0;
}

static size_t count_files(const struct fixture *fixture)
{
    char pattern[96];
    glob_t found = {0};
    (void)snprintf(pattern, sizeof pattern, "%s/*", fixture->folder);
    int result = glob(pattern, 0, NULL, &found);
    size_t count = result == GLOB_NOMATCH ? 0 : found.gl_pathc;
    globfree(&found);
    return count;
}

static enum status write_file(const char *path, const char *text, bool is_good, struct error *error)
{
    struct output_file output;
    enum status status = output_file_init(path, &output, error);
    if (status != STATUS_OK)
        return status;
    assert_true(fputs(text, output.file) >= 0);
    errno = ENOSPC;
    return output_file_finish(&output, is_good, error);
}

static void assert_holds(const char *path, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    (void)!fread(found, 1, sizeof found - 1, file);
    (void)fclose(file);
    assert_string_equal(found, text);
}

static void a_link_stays_one(void **state)
{
    const struct fixture *fixture = *state;
    char target[128];
    (void)snprintf(target, sizeof target, "%s/target", fixture->folder);
    assert_int_equal(write_file(target, "before", true, NULL), STATUS_OK);
    assert_int_equal(symlink("target", fixture->path), 0);
    assert_int_equal(write_file(fixture->path, "after", true, NULL), STATUS_OK);
    struct stat info;
    assert_int_equal(lstat(fixture->path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_holds(target, "after");
    assert_int_equal(count_files(fixture), 2);
    assert_int_equal(unlink(target), 0);
    /* one that leads nowhere is replaced */
    assert_int_equal(write_file(fixture->path, "new", true, NULL), STATUS_OK);
    assert_int_equal(lstat(fixture->path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
}

static void it_is_there_when_it_is_complete(void **state)
{
    const struct fixture *fixture = *state;
    struct output_file output;
    assert_int_equal(write_file(fixture->path, "first, and longer", true, NULL), STATUS_OK);
    assert_holds(fixture->path, "first, and longer");
    assert_int_equal(output_file_init(fixture->path, &output, NULL), STATUS_OK);
    assert_true(fputs("second", output.file) >= 0 && fflush(output.file) == 0);
    assert_holds(fixture->path, "first, and longer");
    assert_int_equal(output_file_finish(&output, true, NULL), STATUS_OK);
    assert_holds(fixture->path, "second");
    assert_int_equal(count_files(fixture), 1);
}

static void one_that_has_failed_changes_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct error error = {0};
    char expected[160];
    assert_int_equal(write_file(fixture->path, "old", true, NULL), STATUS_OK);
    assert_int_equal(write_file(fixture->path, "new", false, &error), STATUS_IO);
    (void)snprintf(expected, sizeof expected, "%s: No space left on device", fixture->path);
    assert_string_equal(error.text, expected);
    assert_holds(fixture->path, "old");
    assert_int_equal(count_files(fixture), 1);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    struct error error = {0};
    assert_int_equal(write_file("/dev/full", "text", true, &error), STATUS_IO);
    assert_string_equal(error.text, "/dev/full: No space left on device");
}

static void a_try_leaves_what_there_is(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(output_file_try(fixture->path, NULL), STATUS_OK);
    assert_int_equal(count_files(fixture), 0);
    assert_int_equal(write_file(fixture->path, "old", true, NULL), STATUS_OK);
    assert_int_equal(output_file_try(fixture->path, NULL), STATUS_OK);
    assert_holds(fixture->path, "old");
    assert_int_equal(count_files(fixture), 1);
}

static void places_where_none_can_be_are_told(void **state)
{
    const struct fixture *fixture = *state;
    char path[128], expected[192];
    struct error missing = {0}, folder = {0};
    (void)snprintf(path, sizeof path, "%s/none/file", fixture->folder);
    (void)snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    assert_int_equal(output_file_try(path, &missing), STATUS_IO);
    assert_string_equal(missing.text, expected);
    assert_int_equal(write_file(path, "text", true, NULL), STATUS_IO);
    (void)snprintf(expected, sizeof expected, "%s: Is a directory", fixture->folder);
    assert_int_equal(output_file_try(fixture->folder, &folder), STATUS_IO);
    assert_string_equal(folder.text, expected);
    assert_int_equal(write_file(fixture->folder, "text", true, NULL), STATUS_IO);
}

/* Whoever reads it gets the file, and no end before. */
static void a_pipe_stays_one(void **state)
{
    const struct fixture *fixture = *state;
    char found[16] = "";
    struct stat info;
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_int_equal(output_file_try(fixture->path, NULL), STATUS_OK);
    int reader = open(fixture->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(output_file_try(fixture->path, NULL), STATUS_OK);
    assert_int_equal(write_file(fixture->path, "text", true, NULL), STATUS_OK);
    assert_int_equal(read(reader, found, sizeof found - 1), 4);
    assert_string_equal(found, "text");
    (void)close(reader);
    assert_int_equal(stat(fixture->path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(count_files(fixture), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_link_stays_one, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_there_when_it_is_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_has_failed_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_try_leaves_what_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(places_where_none_can_be_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pipe_stays_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
