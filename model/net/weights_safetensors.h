/* Reads the safetensors format (https://huggingface.co/docs/safetensors): a length of eight bytes,
 * a JSON header, one block of bytes that the tensors fill without holes or overlaps. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_SAFETENSORS_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_SAFETENSORS_H

#include "model/net/weights.h"

/* Borrows `bytes` for as long as the weights live. Fails with STATUS_BAD_MODEL, STATUS_UNSUPPORTED
 * (a type unknown to the format), STATUS_TOO_LARGE, STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status weights_safetensors_parse(struct span bytes, struct weights **ret_weights,
                                                 struct error *error);

#endif
