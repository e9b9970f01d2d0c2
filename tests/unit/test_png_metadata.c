#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/image/png_metadata.h"

#define SIGNATURE "\x89PNG\r\n\x1A\n"
#define TIFF      "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
#define CRC       "????" /* libpng judges checksums, not we */

static unsigned orientation_of(const char *file, size_t size)
{
    return png_metadata_orientation((struct span){(const uint8_t *)file, size});
}

#define ORIENTATION_OF(text) orientation_of(text, sizeof(text) - 1)

static void exif_is_found_behind_other_chunks(void **state)
{
    (void)state;
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\2IDATxy" CRC "\0\0\0\x1A"
                                              "eXIf" TIFF CRC),
                     6);
}

static void nothing_is_read_behind_the_end(void **state)
{
    (void)state;
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\0IEND" CRC "\0\0\0\x1A"
                                              "eXIf" TIFF CRC),
                     1);
}

static void a_chunk_longer_than_the_file_is_left(void **state)
{
    (void)state;
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\xFF\xFF\xFF\xFF"
                                              "eXIf" TIFF CRC),
                     1);
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\x1B"
                                              "eXIf" TIFF),
                     1);
    assert_int_equal(ORIENTATION_OF(SIGNATURE), 1);
    assert_int_equal(ORIENTATION_OF(""), 1);
}

static void raw_profiles_are_hexadecimal(void **state)
{
    (void)state;
    static const char head[] = SIGNATURE "\0\0\0\x57"
                                         "tEXtRaw profile type exif\0\nexif\n  26\n";
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\x57"
                                              "tEXtRaw profile type exif\0\nexif\n   26\n"
                                              "49492A0008000000010012010300\n"
                                              "010000000600000000000000\n" CRC),
                     6);
    /* A digit alone at the end, and letters that are none. */
    assert_int_equal(orientation_of(head, sizeof head - 1), 1);
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\x1E"
                                              "tEXtRaw profile type exif\0\n\n\n4zz" CRC),
                     1);
}

static void broken_packed_texts_say_nothing(void **state)
{
    (void)state;
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\x1B"
                                              "zTXtRaw profile type exif\0\0junk" CRC),
                     1);
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\x19"
                                              "iTXtXML:com.adobe.xmp\0\1\0\0\0junk" CRC),
                     1);
    assert_int_equal(ORIENTATION_OF(SIGNATURE "\0\0\0\x13"
                                              "iTXtXML:com.adobe.xmp\0\1" CRC),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exif_is_found_behind_other_chunks),
        cmocka_unit_test(nothing_is_read_behind_the_end),
        cmocka_unit_test(a_chunk_longer_than_the_file_is_left),
        cmocka_unit_test(raw_profiles_are_hexadecimal),
        cmocka_unit_test(broken_packed_texts_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
