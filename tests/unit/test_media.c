#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/api/media.h"

#define BYTES(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

static void expect(struct span bytes, const char *expected)
{
    char text[96];
    media_describe(bytes, text, sizeof text);
    assert_string_equal(text, expected);
}

static void what_people_send(void **state)
{
    (void)state;
    expect((struct span){NULL, 0}, "empty");
    expect(BYTES("II*\0\x08\0\0\0"), "a TIFF image");
    expect(BYTES("\0\0\0\x1C"
                 "ftypavif\0\0\0\0"),
           "an AVIF image");
    expect(BYTES("\0\0\0\x1C"
                 "ftypheic"),
           "a HEIC image");
    expect(BYTES("\0\0\0\x1C"
                 "ftypisom"),
           "a video");
    expect(BYTES("<!DOCTYPE html>"), "an HTML document");
    expect(BYTES("%PDF-1.7\n"), "a PDF document");
    expect(BYTES("dog.jpg"), "the text \"dog.jpg\"");
    expect(BYTES("dog.jpg\n"), "text that begins \"dog.jpg\"");
    expect(BYTES("123456789012345678901234"), "the text \"123456789012345678901234\"");
    expect(BYTES("1234567890123456789012345"), "text that begins \"123456789012345678901234\"");
    expect(BYTES("\x00\x01\xFE"), "bytes that begin 00 01 fe");
    expect(BYTES("\xFF\xD8\x01\x02\x03\x04\x05\x06\x07"),
           "bytes that begin ff d8 01 02 03 04 05 06");
    expect(BYTES("\xC3\xBC"), "bytes that begin c3 bc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
