#include "model/base/alloc.h"

#include <stdlib.h>
#include <string.h>

void *alloc_array(size_t count, size_t size, size_t limit_bytes)
{
    size_t bytes;
    if (!checked_mul(count, size, &bytes) || bytes > limit_bytes)
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

char *alloc_string(const char *text, size_t limit_bytes)
{
    size_t length = strlen(text);
    if (length >= limit_bytes)
        return NULL;
    return strdup(text);
}
