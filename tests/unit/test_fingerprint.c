#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/base/fingerprint.h"

enum { SIZE = 200, MAX_PRINTS = 4096 };

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void assert_all_differ(uint64_t *prints, size_t count)
{
    qsort(prints, count, sizeof *prints, compare);
    for (size_t i = 1; i < count; i++)
        assert_true(prints[i - 1] != prints[i]);
}

static void fill(uint8_t *bytes)
{
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + 3);
}

static void every_bit_counts(void **state)
{
    (void)state;
    uint8_t bytes[SIZE];
    uint64_t prints[MAX_PRINTS];
    size_t count = 0;
    fill(bytes);
    prints[count++] = fingerprint_of(bytes, SIZE);
    for (size_t bit = 0; bit < SIZE * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        prints[count++] = fingerprint_of(bytes, SIZE);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_all_differ(prints, count);
}

/* Signs of two floats of one lane: what a plain product of words would not see. Nor may, above, a
 * bit of one word undo a bit of another. */
static void two_top_bits_of_a_lane_count(void **state)
{
    (void)state;
    uint8_t bytes[SIZE];
    uint64_t prints[MAX_PRINTS];
    size_t count = 0;
    fill(bytes);
    for (size_t a = 7; a < SIZE; a += 8)
        for (size_t b = 7; b < a; b += 8) {
            bytes[a] ^= 0x80;
            bytes[b] ^= 0x80;
            prints[count++] = fingerprint_of(bytes, SIZE);
            bytes[a] ^= 0x80;
            bytes[b] ^= 0x80;
        }
    assert_all_differ(prints, count);
}

static void size_order_and_parts_count(void **state)
{
    (void)state;
    uint8_t zeros[SIZE] = {0}, bytes[SIZE];
    uint64_t prints[MAX_PRINTS];
    size_t count = 0;
    struct fingerprint parts;
    for (size_t size = 0; size <= SIZE; size++)
        prints[count++] = fingerprint_of(zeros, size);
    fill(bytes);
    prints[count++] = fingerprint_of(bytes, SIZE);
    for (size_t cut = 0; cut <= SIZE; cut++) {
        fingerprint_init(&parts);
        fingerprint_add(&parts, bytes, cut);
        fingerprint_add(&parts, bytes + cut, SIZE - cut);
        prints[count++] = fingerprint_value(&parts);
    }
    uint8_t block[64];
    memcpy(block, bytes, sizeof block);
    memmove(bytes, bytes + sizeof block, sizeof block);
    memcpy(bytes + sizeof block, block, sizeof block);
    prints[count++] = fingerprint_of(bytes, SIZE);
    assert_all_differ(prints, count);
}

static void it_is_the_same_at_any_address(void **state)
{
    (void)state;
    uint8_t bytes[SIZE], room[SIZE + 64];
    fill(bytes);
    for (size_t shift = 0; shift < 64; shift++) {
        memcpy(room + shift, bytes, SIZE);
        assert_true(fingerprint_of(room + shift, SIZE) == fingerprint_of(bytes, SIZE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(two_top_bits_of_a_lane_count),
        cmocka_unit_test(size_order_and_parts_count),
        cmocka_unit_test(it_is_the_same_at_any_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
