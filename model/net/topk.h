/* Logits to probabilities, and the k largest. */
#ifndef CLASSIFYD_MODEL_NET_TOPK_H
#define CLASSIFYD_MODEL_NET_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct topk_entry {
    uint32_t class_id;
    float probability; /* softmax over all classes, summed in double */
};

/* Writes min(k, classes) entries, largest probability first, ties by the lower class_id, and
 * returns how many: none where the largest logit is not finite, since weights that overflow have no
 * answer. `logits` is [classes]; a NaN counts as the smallest value. Any thread; allocates nothing.
 */
size_t topk_select(const float *logits, size_t classes, size_t k, struct topk_entry *ret_entries);

#endif
