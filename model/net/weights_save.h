/* Writes a safetensors file. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_SAVE_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_SAVE_H

#include "model/net/weights.h"

struct weights_save_pair {
    const char *key, *value; /* UTF-8 */
};

/* What a file is to hold; all borrowed. No tensor is of WEIGHTS_OTHER. */
struct weights_save_content {
    const struct weights_tensor *tensors; /* written in their own type, row-major */
    size_t tensor_count;
    const struct weights_save_pair *metadata;
    size_t metadata_count;
};

/* Writes a file, whole or not at all (output_file.h). Fails with STATUS_IO (the text names the
 * path), STATUS_NO_MEMORY. Blocks on the disk. */
MUST_CHECK enum status weights_save(const char *path, const struct weights_save_content *content,
                                    struct error *error);

#endif
