/* Asks everything of a set of weights that came from bytes nobody vouches for. */
#ifndef CLASSIFYD_TESTS_FUZZ_READ_WEIGHTS_H
#define CLASSIFYD_TESTS_FUZZ_READ_WEIGHTS_H

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/net/weights.h"

/* Finds each tensor by its name and copies its elements; aborts where an answer contradicts
 * another, or memory is asked for that the input does not pay for. */
static inline void read_weights(const struct weights *weights, size_t input_bytes)
{
    if (weights_count(weights) == 0)
        abort();
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weights_tensor *tensor = weights_at(weights, i);
        bool is_float = tensor->type != WEIGHTS_I64 && tensor->type != WEIGHTS_OTHER;
        if (weights_find(weights, tensor->name) != tensor || tensor->count > input_bytes)
            abort();
        float *values = alloc_array(tensor->count, sizeof *values, SIZE_MAX);
        if (!values)
            abort();
        if ((weights_copy_f32(tensor, values, NULL) == STATUS_OK) != is_float)
            abort();
        free(values);
    }
    (void)weights_metadata(weights, "note");
}

#endif
