/* Against OpenSSL's encoder, for every length; and what clients make of base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/base64.h"

/* Reads `text` in pieces of `piece` bytes. */
static enum status read_text(const char *text, size_t size, bool has_escapes, size_t piece,
                             uint8_t *ret_bytes, size_t *ret_size, struct error *error)
{
    struct base64 base64;
    size_t count = 1;
    /* To its size, so that a sanitizer sees a byte read outside. */
    uint8_t *copy = malloc(size);
    assert_true(copy || size == 0);
    if (size > 0)
        memcpy(copy, text, size);
    *ret_size = 0;
    enum status status = base64_init(&base64, (struct span){copy, size}, has_escapes, error);
    size_t most = status ? 0 : base64_max_bytes(&base64);
    while (!status && count > 0) {
        status = base64_read(&base64, ret_bytes + *ret_size, piece, &count, error);
        *ret_size += status ? 0 : count;
    }
    assert_true(status || *ret_size <= most);
    free(copy);
    return status;
}

static void expect(const char *text, bool has_escapes, const char *expected)
{
    uint8_t bytes[256];
    size_t size;
    struct error error = {0};
    if (read_text(text, strlen(text), has_escapes, 7, bytes, &size, &error))
        fail_msg("%s", error.text);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
}

static void expect_failure(const char *text, bool has_escapes, const char *expected)
{
    uint8_t bytes[256];
    size_t size;
    struct error error = {0};
    assert_int_equal(read_text(text, strlen(text), has_escapes, 256, bytes, &size, &error),
                     STATUS_BAD_REQUEST);
    assert_string_equal(error.text, expected);
}

static void as_openssl_writes_it(void **state)
{
    (void)state;
    uint8_t bytes[300], decoded[304];
    unsigned char text[512];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        random = random * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(random >> 24);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        for (size_t piece = 1; piece < 9; piece += 1 + piece / 3) {
            size_t length = (size_t)EVP_EncodeBlock(text, bytes, (int)size), read = 0;
            struct error error = {0};
            assert_int_equal(
                read_text((const char *)text, length, false, piece, decoded, &read, &error), 0);
            assert_int_equal(read, size);
            assert_memory_equal(decoded, bytes, size);
            /* Without its padding, too. */
            while (length > 0 && text[length - 1] == '=')
                length--;
            assert_int_equal(
                read_text((const char *)text, length, false, piece, decoded, &read, &error), 0);
            assert_int_equal(read, size);
            assert_memory_equal(decoded, bytes, size);
        }
    }
}

static void as_clients_write_it(void **state)
{
    (void)state;
    expect("Zm9vYmFy", false, "foobar"); /* RFC 4648, 10 */
    expect("  Zm9v\r\n\tYmFy \n", false, "foobar");
    expect("Zm9vYg== \n", false, "foob");
    expect("_-_-", false, "\xFF\xEF\xFE");
    expect("/+/+", false, "\xFF\xEF\xFE");
    expect("data:image/png;base64,Zm9vYmFy", false, "foobar");
    expect("DATA:image/png;charset=x;BASE64,Zm9vYmFy", false, "foobar");
    expect("", false, "");
    /* As it stands in JSON text: PHP writes \/, Python's encodebytes \n, .NET \u002B. */
    expect("\\/+\\/+", true, "\xFF\xEF\xFE");
    expect("Zm9v\\nYm\\r\\tFy", true, "foobar");
    expect("/\\u002B/\\u002b", true, "\xFF\xEF\xFE");
    expect("data:image\\/png;base64,Zm9v\\u0059mFy", true, "foobar");
}

static void what_is_none(void **state)
{
    (void)state;
    expect_failure("Zm9v!mFy", false, "not base64: \"!\" at character 5");
    expect_failure("Zm9v\x80mFy", false, "not base64: byte 0x80 at character 5");
    expect_failure("Z", false, "not base64: it ends in the middle of a byte, after 1 characters");
    expect_failure("Zm9vY", false,
                   "not base64: it ends in the middle of a byte, after 5 characters");
    expect_failure("=", false, "not base64: \"=\" at character 1");
    expect_failure("Zm9v=", false, "not base64: \"=\" at character 5");
    expect_failure("Zm8=Zm9v", false, "not base64: \"Z\" at character 5");
    expect_failure("Zm\\/v", false, "not base64: \"\\\" at character 3");
    expect_failure("Zm\\x", true, "not base64: \"\\\" at character 3");
    expect_failure("Zm\\u0141", true, "not base64: \"\\\" at character 3");
    expect_failure("Zm\\u004", true, "not base64: \"\\\" at character 3");
    expect_failure("Zm\\u00\x14\x11", true, "not base64: \"\\\" at character 3");
    expect_failure("Zm\\", true, "not base64: \"\\\" at character 3");
    const char url[] = "a data: URL that is not \"data:image/...;base64,...\"";
    expect_failure("data:image/png,Zm9v", false, url);
    expect_failure("data:;base64", false, url);
    expect_failure("data:,", false, url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_openssl_writes_it),
        cmocka_unit_test(as_clients_write_it),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
