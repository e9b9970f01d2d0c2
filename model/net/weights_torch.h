/* Reads what torch.save writes of a state dict: a zip archive since PyTorch 1.6, a sequence of
 * pickles before. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_TORCH_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_TORCH_H

#include "model/net/weights.h"

/* Borrow `bytes` for as long as the weights live. Fail as weights_parse. Return owned. */
MUST_CHECK enum status weights_torch_parse_zip(struct span bytes, struct weights **ret_weights,
                                               struct error *error);
MUST_CHECK enum status weights_torch_parse_legacy(struct span bytes, struct weights **ret_weights,
                                                  struct error *error);

#endif
