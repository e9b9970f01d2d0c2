#include "tests/unit/photograph_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { HEADER_BYTES = 54, SIDE_PX = 24 };

void photograph_fixture_write(const char *path, uint32_t seed, size_t bytes)
{
    /* Rows of 24 px of 3 bytes need no padding. */
    uint8_t file_bytes[PHOTOGRAPH_FIXTURE_BYTES] = {'B', 'M'};
    file_bytes[10] = HEADER_BYTES;
    file_bytes[14] = 40;
    file_bytes[18] = file_bytes[22] = SIDE_PX;
    file_bytes[26] = 1;
    file_bytes[28] = 24;
    for (size_t i = HEADER_BYTES; i < sizeof file_bytes; i++) {
        seed = seed * 1103515245U + 12345U;
        file_bytes[i] = (uint8_t)(seed >> 16);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(file_bytes, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}
