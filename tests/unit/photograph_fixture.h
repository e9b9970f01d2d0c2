/* Image files to be read by what prepares them. */
#ifndef CLASSIFYD_TESTS_UNIT_PHOTOGRAPH_FIXTURE_H
#define CLASSIFYD_TESTS_UNIT_PHOTOGRAPH_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

enum {
    PHOTOGRAPH_FIXTURE_BYTES = 54 + 24 * 24 * 3, /* of a whole file */
};

/* Writes the first `bytes` bytes of an uncompressed BMP of noise, 24 x 24 px: another for each
 * seed, the same every time. Fails the test where it cannot. */
void photograph_fixture_write(const char *path, uint32_t seed, size_t bytes);

#endif
