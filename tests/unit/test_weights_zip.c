#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights_zip.h"

/* An archive as it is being written: the files, then the directory. */
static struct archive {
    uint8_t bytes[4096];
    size_t size, directory, count;
    struct {
        const char *name;
        size_t offset, size;
    } entries[8];
} archive;

static void put(uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        archive.bytes[archive.size++] = (uint8_t)(value >> (8 * i));
}

static void put_text(const char *text)
{
    memcpy(archive.bytes + archive.size, text, strlen(text));
    archive.size += strlen(text);
}

static void add_file(const char *name, const char *content)
{
    archive.entries[archive.count].name = name;
    archive.entries[archive.count].offset = archive.size;
    archive.entries[archive.count++].size = strlen(content);
    put_text("PK\3\4");
    put(20, 2);
    put(0, 8); /* flags, method, time, date */
    put(0, 4); /* checksum: not read */
    put(strlen(content), 4);
    put(strlen(content), 4);
    put(strlen(name), 2);
    put(0, 2);
    put_text(name);
    put_text(content);
}

static void add_directory(void)
{
    archive.directory = archive.size;
    for (size_t i = 0; i < archive.count; i++) {
        put_text("PK\1\2");
        put(20, 2);
        put(20, 2);
        put(0, 8);
        put(0, 4);
        put(archive.entries[i].size, 4);
        put(archive.entries[i].size, 4);
        put(strlen(archive.entries[i].name), 2);
        put(0, 8);
        put(0, 4);
        put(archive.entries[i].offset, 4);
        put_text(archive.entries[i].name);
    }
    size_t size = archive.size - archive.directory;
    put_text("PK\5\6");
    put(0, 4);
    put(archive.count, 2);
    put(archive.count, 2);
    put(size, 4);
    put(archive.directory, 4);
    put(0, 2);
}

static struct span write_archive(void)
{
    memset(&archive, 0, sizeof archive);
    add_file("m/data.pkl", "pickle");
    add_file("m/data/10", "tenth");
    add_file("m/data/1", "first");
    add_directory();
    return (struct span){archive.bytes, archive.size};
}

static struct span text(const char *words)
{
    return (struct span){(const uint8_t *)words, strlen(words)};
}

static void assert_refused(struct span bytes, enum status status, const char *words)
{
    struct weights_zip *zip = NULL;
    struct error error = {0};
    assert_int_equal(weights_zip_parse(bytes, &zip, &error), status);
    assert_null(zip);
    assert_string_equal(error.text, words);
}

static void entries_are_found_in_the_folder(void **state)
{
    (void)state;
    struct weights_zip *zip;
    struct span bytes = write_archive(), found;
    assert_int_equal(weights_zip_parse(bytes, &zip, NULL), STATUS_OK);
    assert_true(weights_zip_find(zip, "data.pkl", text(""), &found));
    assert_int_equal(found.size, 6);
    assert_memory_equal(found.data, "pickle", 6);
    assert_true(weights_zip_find(zip, "data/", text("1"), &found));
    assert_memory_equal(found.data, "first", 5);
    assert_true(weights_zip_find(zip, "data/", text("10"), &found));
    assert_memory_equal(found.data, "tenth", 5);
    assert_false(weights_zip_find(zip, "data/", text("2"), &found));
    assert_false(weights_zip_find(zip, "data/", text(""), &found));
    weights_zip_destroy(zip);
    weights_zip_destroy(NULL);
}

static void an_end_record_is_wanted(void **state)
{
    (void)state;
    struct span bytes = write_archive();
    const char *cut = "zip: no end of the directory; the file is cut short";
    for (size_t size = 0; size < bytes.size; size++)
        assert_refused((struct span){bytes.data, size}, STATUS_BAD_MODEL, cut);
    /* A comment may follow, if it is as long as the record says. */
    archive.bytes[archive.size - 2] = 3;
    struct span commented = {archive.bytes, archive.size + 3};
    struct weights_zip *zip;
    assert_int_equal(weights_zip_parse(commented, &zip, NULL), STATUS_OK);
    weights_zip_destroy(zip);
    assert_refused(bytes, STATUS_BAD_MODEL, cut);
}

static void the_directory_stays_inside(void **state)
{
    (void)state;
    struct span bytes = write_archive();
    archive.bytes[bytes.size - 3] = 0x7f; /* the directory's offset */
    struct error error = {0};
    struct weights_zip *zip;
    assert_int_equal(weights_zip_parse(bytes, &zip, &error), STATUS_BAD_MODEL);
    assert_memory_equal(error.text, "zip: a directory of ", 20);

    bytes = write_archive();
    archive.bytes[bytes.size - 12] = 4; /* one entry more than there are */
    memset(&error, 0, sizeof error);
    assert_int_equal(weights_zip_parse(bytes, &zip, &error), STATUS_BAD_MODEL);
    assert_memory_equal(error.text, "zip: no directory entry at byte ", 32);
}

static void entries_stay_before_the_directory(void **state)
{
    (void)state;
    struct span bytes = write_archive();
    archive.bytes[archive.directory + 20] = archive.bytes[archive.directory + 24] = 200;
    assert_refused(bytes, STATUS_BAD_MODEL,
                   "zip entry 'm/data.pkl': 200 bytes at byte 0 reach into the directory");
    bytes = write_archive();
    archive.bytes[archive.directory + 42] = 1;
    assert_refused(bytes, STATUS_BAD_MODEL, "zip entry 'm/data.pkl': no header at byte 1");
    bytes = write_archive();
    memset(archive.bytes + archive.directory + 42, 0xff, 4);
    assert_refused(bytes, STATUS_BAD_MODEL, "zip: a broken directory entry at byte 133");
}

static void other_kinds_of_entries_are_refused_by_name(void **state)
{
    (void)state;
    struct span bytes = write_archive();
    archive.bytes[archive.directory + 10] = 8;
    assert_refused(bytes, STATUS_UNSUPPORTED,
                   "zip entry 'm/data.pkl': is compressed (method 8), as nothing in a state dict "
                   "is");
    bytes = write_archive();
    archive.bytes[archive.directory + 8] = 1;
    assert_refused(bytes, STATUS_UNSUPPORTED, "zip entry 'm/data.pkl': is encrypted");
    bytes = write_archive();
    archive.bytes[archive.directory + 20] = 5;
    assert_refused(bytes, STATUS_BAD_MODEL,
                   "zip entry 'm/data.pkl': is stored, but its two sizes differ");
}

static void the_local_header_must_agree(void **state)
{
    (void)state;
    struct span bytes = write_archive();
    archive.bytes[30] = 'n';
    assert_refused(bytes, STATUS_BAD_MODEL,
                   "zip entry 'm/data.pkl': the header at byte 0 is not the directory's");
    bytes = write_archive();
    archive.bytes[8] = 8;
    assert_refused(bytes, STATUS_BAD_MODEL,
                   "zip entry 'm/data.pkl': the header at byte 0 is not the directory's");
}

static void a_name_stands_once(void **state)
{
    (void)state;
    memset(&archive, 0, sizeof archive);
    add_file("m/data.pkl", "one");
    add_file("m/data.pkl", "two");
    add_directory();
    assert_refused((struct span){archive.bytes, archive.size}, STATUS_BAD_MODEL,
                   "zip entry 'm/data.pkl': is there twice");
}

static void more_disks_are_refused(void **state)
{
    (void)state;
    struct span bytes = write_archive();
    archive.bytes[bytes.size - 18] = 1;
    assert_refused(bytes, STATUS_UNSUPPORTED, "zip: an archive of more than one disk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_in_the_folder),
        cmocka_unit_test(an_end_record_is_wanted),
        cmocka_unit_test(the_directory_stays_inside),
        cmocka_unit_test(entries_stay_before_the_directory),
        cmocka_unit_test(other_kinds_of_entries_are_refused_by_name),
        cmocka_unit_test(the_local_header_must_agree),
        cmocka_unit_test(a_name_stands_once),
        cmocka_unit_test(more_disks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
