#include "model/base/fingerprint.h"

#include <string.h>

/* Odd, without a pattern: the first digits of pi's and e's fractions. */
#define FACTOR 0x243f6a8885a308d3u
#define SPREAD 0xb7e151628aed2a6bu

enum { BLOCK_BYTES = FINGERPRINT_LANES * sizeof(uint64_t) };

/* For a given word a permutation of the lane, and for a given lane one of the word: a change of one
 * word always changes the lane. A product moves its top bits nowhere and others only up; the turn
 * before it and the fold after it see to it that no bit stays one bit. */
static inline uint64_t mix(uint64_t lane, uint64_t word)
{
    lane ^= word;
    lane = (lane << 29 | lane >> 35) * FACTOR;
    return lane ^ lane >> 32;
}

void fingerprint_init(struct fingerprint *fingerprint)
{
    *fingerprint = (struct fingerprint){0};
    for (uint64_t i = 0; i < FINGERPRINT_LANES; i++)
        fingerprint->lanes[i] = (i + 1) * SPREAD;
}

/* Lanes do not wait for each other, so that a multiplication a cycle can be under way. */
static size_t add_blocks(uint64_t *lanes, const uint8_t *bytes, size_t size)
{
    uint64_t own[FINGERPRINT_LANES];
    size_t done = 0;
    memcpy(own, lanes, sizeof own);
    for (; size - done >= BLOCK_BYTES; done += BLOCK_BYTES)
        for (size_t i = 0; i < FINGERPRINT_LANES; i++) {
            uint64_t word;
            memcpy(&word, bytes + done + i * sizeof word, sizeof word);
            own[i] = mix(own[i], word);
        }
    memcpy(lanes, own, sizeof own);
    return done;
}

void fingerprint_add(struct fingerprint *fingerprint, const void *data, size_t size)
{
    size_t done = size > 0 ? add_blocks(fingerprint->lanes, data, size) : 0;
    uint8_t tail[BLOCK_BYTES] = {0};
    if (size > done)
        memcpy(tail, (const uint8_t *)data + done, size - done);
    (void)add_blocks(fingerprint->lanes, tail, sizeof tail);
    fingerprint->lanes[0] = mix(fingerprint->lanes[0], size);
    fingerprint->size_bytes += size;
}

uint64_t fingerprint_value(const struct fingerprint *fingerprint)
{
    uint64_t value = fingerprint->size_bytes * SPREAD;
    for (size_t i = 0; i < FINGERPRINT_LANES; i++)
        value = mix(value, fingerprint->lanes[i]);
    return mix(value, SPREAD);
}

uint64_t fingerprint_of(const void *data, size_t size)
{
    struct fingerprint fingerprint;
    fingerprint_init(&fingerprint);
    fingerprint_add(&fingerprint, data, size);
    return fingerprint_value(&fingerprint);
}
