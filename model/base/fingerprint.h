/* A 64-bit fingerprint of bytes, for telling whether they are the same as before: as fast as memory
 * can be read, and no seal. Whoever wants to can make two files of one fingerprint; by accident it
 * happens once in 2^64. */
#ifndef CLASSIFYD_MODEL_BASE_FINGERPRINT_H
#define CLASSIFYD_MODEL_BASE_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

enum { FINGERPRINT_LANES = 8 };

struct fingerprint {
    uint64_t lanes[FINGERPRINT_LANES];
    uint64_t size_bytes;
};

/* A fingerprint of nothing yet. */
void fingerprint_init(struct fingerprint *fingerprint);

/* Adds bytes. What was added in two calls differs from the same added in one, so that no two lists
 * of parts look alike. */
void fingerprint_add(struct fingerprint *fingerprint, const void *data, size_t size);

uint64_t fingerprint_value(const struct fingerprint *fingerprint);

/* Of one piece. Any thread. */
uint64_t fingerprint_of(const void *data, size_t size);

#endif
