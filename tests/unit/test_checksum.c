#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "server/fetch/checksum.h"

/* The two examples of FIPS 180-2 and its predecessor's empty text. */
static const char hash_of_nothing[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char hash_of_abc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void assert_hash(const struct checksum *checksum, const char *expected)
{
    char hex[CHECKSUM_HEX_BYTES];
    assert_int_equal(checksum_format(checksum, hex, NULL), STATUS_OK);
    assert_string_equal(hex, expected);
}

static void known_texts_have_their_hash(void **state)
{
    (void)state;
    struct checksum *checksum = NULL;
    assert_int_equal(checksum_create(&checksum, NULL), STATUS_OK);
    assert_hash(checksum, hash_of_nothing);
    assert_int_equal(checksum_update(checksum, (struct span){(const uint8_t *)"ab", 2}, NULL), 0);
    char hex[CHECKSUM_HEX_BYTES];
    assert_int_equal(checksum_format(checksum, hex, NULL), STATUS_OK);
    assert_int_equal(checksum_update(checksum, (struct span){(const uint8_t *)"c", 1}, NULL), 0);
    assert_hash(checksum, hash_of_abc);
    assert_int_equal(checksum_reset(checksum, NULL), STATUS_OK);
    assert_hash(checksum, hash_of_nothing);
    checksum_destroy(checksum);
}

static void file_is_read_from_where_it_stands(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fputs("xyabc", file) >= 0 && fflush(file) == 0, 1);
    assert_int_equal(lseek(fileno(file), 2, SEEK_SET), 2);
    struct checksum *checksum = NULL;
    struct error error = {0};
    assert_int_equal(checksum_create(&checksum, NULL), STATUS_OK);
    assert_int_equal(checksum_update_from_file(checksum, fileno(file), "f", &error), STATUS_OK);
    assert_hash(checksum, hash_of_abc);
    assert_int_equal(checksum_update_from_file(checksum, -1, "f", &error), STATUS_IO);
    assert_string_equal(error.text, "f: Bad file descriptor");
    checksum_destroy(checksum);
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_hash),
        cmocka_unit_test(file_is_read_from_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
