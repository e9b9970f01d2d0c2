#include "model/net/topk.h"

#include <math.h>

/* Not-a-number sorts below everything, so that it can never be an answer while there is another. */
static float rank_of(float logit)
{
    return isnan(logit) ? -INFINITY : logit;
}

static bool is_before(const float *logits, uint32_t a, uint32_t b)
{
    float x = rank_of(logits[a]), y = rank_of(logits[b]);
    return x > y || (x == y && a < b);
}

/* The entries found so far stay sorted; a class moves up past those that it beats. */
static void insert(const float *logits, uint32_t class_id, struct topk_entry *entries,
                   size_t *count, size_t k)
{
    size_t at = *count;
    while (at > 0 && is_before(logits, class_id, entries[at - 1].class_id))
        at--;
    if (at == k)
        return;
    if (*count < k)
        (*count)++;
    for (size_t i = *count - 1; i > at; i--)
        entries[i] = entries[i - 1];
    entries[at].class_id = class_id;
}

size_t topk_select(const float *logits, size_t classes, size_t k, struct topk_entry *ret_entries)
{
    size_t count = 0;
    for (uint32_t class_id = 0; class_id < classes && k > 0; class_id++)
        insert(logits, class_id, ret_entries, &count, k);
    if (count == 0 || !isfinite(logits[ret_entries[0].class_id]))
        return 0;
    double largest = (double)logits[ret_entries[0].class_id];
    double sum = 0;
    for (size_t i = 0; i < classes; i++)
        sum += exp((double)rank_of(logits[i]) - largest);
    for (size_t i = 0; i < count; i++)
        ret_entries[i].probability =
            (float)(exp((double)rank_of(logits[ret_entries[i].class_id]) - largest) / sum);
    return count;
}
