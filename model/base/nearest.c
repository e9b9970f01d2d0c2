#include "model/base/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_LENGTH = 63 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Insertions, deletions, substitutions and swaps of two neighbours (optimal string alignment). Both
 * at most MAX_LENGTH long. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned before[MAX_LENGTH + 1] = {0}, last[MAX_LENGTH + 1], row[MAX_LENGTH + 1];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swap && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        memcpy(before, last, sizeof before);
        memcpy(last, row, sizeof last);
    }
    return last[b_length];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    size_t wanted_length = strlen(nearest->wanted), length = strlen(name);
    if (wanted_length > MAX_LENGTH || length > MAX_LENGTH)
        return;
    bool is_beginning = wanted_length >= 2 && strncmp(nearest->wanted, name, wanted_length) == 0;
    unsigned distance =
        is_beginning ? 1 : edit_distance(nearest->wanted, wanted_length, name, length);
    unsigned allowed = 1 + (unsigned)length / 3;
    if (distance > allowed || distance >= length ||
        (nearest->name && distance >= nearest->distance))
        return;
    nearest->name = name;
    nearest->distance = distance;
}
