#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/commands/image_file.h"

static char folder[32], path[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/classifyd_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/image", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static uint8_t *made_bytes(size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 24);
    return bytes;
}

static void write_file(const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void expect_bytes(const char *name, const uint8_t *bytes, size_t size)
{
    uint8_t *data = NULL;
    size_t read_bytes = 12345;
    struct error error = {0};
    if (image_file_read(name, &data, &read_bytes, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(read_bytes, size);
    assert_memory_equal(data, bytes, size);
    free(data);
}

static void files_are_read_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *bytes = made_bytes(sizes[i]);
        write_file(bytes, sizes[i]);
        expect_bytes(path, bytes, sizes[i]);
        free(bytes);
    }
}

struct writer {
    int descriptor;
    const uint8_t *bytes;
    size_t size;
};

/* Small pieces, so that a read gets less than it asks for. */
static void *write_pieces(void *argument)
{
    const struct writer *writer = argument;
    for (size_t done = 0; done < writer->size;) {
        size_t left = writer->size - done;
        ssize_t written =
            write(writer->descriptor, writer->bytes + done, left < 1000 ? left : 1000);
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    (void)close(writer->descriptor);
    return NULL;
}

/* A stream does not say how long it is: 65536 bytes fill the first buffer, 300000 some more. */
static void standard_input_is_read_to_its_end(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 5, 65536, 300000};
    int before = dup(STDIN_FILENO);
    assert_true(before >= 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *bytes = made_bytes(sizes[i]);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
        (void)close(ends[0]);
        struct writer writer = {ends[1], bytes, sizes[i]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_pieces, &writer), 0);
        expect_bytes("-", bytes, sizes[i]);
        assert_int_equal(pthread_join(thread, NULL), 0);
        free(bytes);
    }
    assert_true(dup2(before, STDIN_FILENO) >= 0);
    (void)close(before);
}

static void expect_refused(const char *name, enum status status, const char *text)
{
    uint8_t *data = NULL;
    size_t size = 12345;
    struct error error = {0};
    assert_int_equal(image_file_read(name, &data, &size, &error), status);
    assert_string_equal(error.text, text);
    assert_null(data);
    assert_int_equal(size, 12345);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    char name[96];
    (void)snprintf(name, sizeof name, "%s/none", folder);
    expect_refused(name, STATUS_NOT_FOUND, "No such file or directory");
    write_file((const uint8_t *)"x", 1);
    (void)snprintf(name, sizeof name, "%s/below", path);
    expect_refused(name, STATUS_NOT_FOUND, "Not a directory");
    expect_refused(folder, STATUS_IO, "a folder, not a file");
    (void)snprintf(name, sizeof name, "%s/loop", folder);
    assert_int_equal(symlink("loop", name), 0);
    expect_refused(name, STATUS_IO, "Too many levels of symbolic links");
}

/* Not read to the end first: /dev/zero has none. */
static void endless_file_is_too_large(void **state)
{
    (void)state;
    expect_refused("/dev/zero", STATUS_TOO_LARGE, "larger than the limit of 512 MiB");
}

/* One byte over the limit is enough to know; memory for more would be twice the limit. */
static void no_more_is_read_than_tells(void **state)
{
    (void)state;
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int before = dup(STDIN_FILENO);
    assert_true(file >= 0 && before >= 0);
    assert_int_equal(ftruncate(file, (off_t)4 * IMAGE_FILE_MAX_BYTES), 0);
    assert_true(dup2(file, STDIN_FILENO) >= 0);
    expect_refused("-", STATUS_TOO_LARGE, "larger than the limit of 512 MiB");
    assert_int_equal(lseek(file, 0, SEEK_CUR), IMAGE_FILE_MAX_BYTES + 1);
    assert_true(dup2(before, STDIN_FILENO) >= 0);
    (void)close(before);
    (void)close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_whole),
        cmocka_unit_test(standard_input_is_read_to_its_end),
        cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(endless_file_is_too_large),
        cmocka_unit_test(no_more_is_read_than_tells),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
