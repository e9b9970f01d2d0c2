/* base64: the first byte chooses how; pieces of any size give the same bytes, never more than was
 * announced. */
#include <stdlib.h>
#include <string.h>

#include "server/api/base64.h"
#include "tests/fuzz/fuzz.h"

/* Returns the bytes, owned; NULL where it is not base64. */
static uint8_t *read_all(struct span text, bool has_escapes, size_t piece, size_t *ret_size)
{
    struct base64 base64;
    struct error error = {0};
    if (base64_init(&base64, text, has_escapes, &error))
        return NULL;
    size_t most = base64_max_bytes(&base64), total = 0, count;
    uint8_t *bytes = malloc(most + piece);
    if (!bytes)
        return NULL;
    do {
        if (base64_read(&base64, bytes + total, piece, &count, &error)) {
            free(bytes);
            return NULL;
        }
        if (count > piece || total + count > most)
            abort();
        total += count;
    } while (count > 0);
    *ret_size = total;
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct span text = {data + 1, size - 1};
    size_t once_size = 0, again_size = 0, piece = 1 + (data[0] & 7);
    uint8_t *once = read_all(text, data[0] & 8, 3 * 4096, &once_size);
    uint8_t *again = read_all(text, data[0] & 8, piece, &again_size);
    if (!once != !again || once_size != again_size || (once && memcmp(once, again, once_size) != 0))
        abort();
    free(once);
    free(again);
    return 0;
}
