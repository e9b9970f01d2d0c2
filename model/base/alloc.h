/* Sizes that come from outside are multiplied, added and allocated here and nowhere else. */
#ifndef CLASSIFYD_MODEL_BASE_ALLOC_H
#define CLASSIFYD_MODEL_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False where the result does not fit; nothing is written then. */
static inline bool checked_mul(size_t a, size_t b, size_t *ret_product)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret_product = product;
    return true;
}

static inline bool checked_add(size_t a, size_t b, size_t *ret_sum)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret_sum = sum;
    return true;
}

/* `count` zeroed elements of `size` bytes; NULL where that is over `limit_bytes` or there is no
 * memory. Returns owned, freed with free(). Never NULL for a count of 0. Any thread. */
void *alloc_array(size_t count, size_t size, size_t limit_bytes) __attribute__((malloc));

/* A copy of `text`, at most `limit_bytes` with its end; NULL as above. Returns owned, free(). */
char *alloc_string(const char *text, size_t limit_bytes) __attribute__((malloc));

#endif
