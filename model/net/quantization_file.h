/* A quantization in a weight file, beside the float weights that it belongs to: metadata
 * `quantization` (JSON: version, and of each layer name, arithmetic and output_scale), tensors
 * `quantization.<layer>.scale` and `quantization.<layer>.bias`. */
#ifndef CLASSIFYD_MODEL_NET_QUANTIZATION_FILE_H
#define CLASSIFYD_MODEL_NET_QUANTIZATION_FILE_H

#include "model/base/json_doc.h"
#include "model/net/graph.h"
#include "model/net/quantization.h"
#include "model/net/weights_save.h"

#define QUANTIZATION_FILE_KEY    "quantization"
#define QUANTIZATION_FILE_PREFIX QUANTIZATION_FILE_KEY "."

/* Reads what `weights` hold; NULL where they hold none. Nothing is believed: layers are the
 * graph's, with their channels; numbers are finite and in a range within which no product
 * overflows; a tensor that belongs to no layer is refused. Fails with STATUS_BAD_MODEL,
 * STATUS_UNSUPPORTED (another version), STATUS_NO_MEMORY. Any thread. Returns owned. */
MUST_CHECK enum status quantization_file_read(const struct weights *weights,
                                              const struct graph *graph,
                                              struct quantization **ret_quantization,
                                              struct error *error);

/* Puts version and layers into an object that will be the metadata's value; what else stands there
 * is not read. */
void quantization_file_describe(struct json_doc *doc, struct json_node *into,
                                const struct quantization *quantization);

/* Writes the floating-point tensors of `weights` as they are, the quantization's, and this
 * metadata. Fails as weights_save. */
MUST_CHECK enum status quantization_file_write(const char *path, const struct weights *weights,
                                               const struct quantization *quantization,
                                               const struct weights_save_pair *metadata,
                                               size_t metadata_count, struct error *error);

#endif
