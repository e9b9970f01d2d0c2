/* PyTorch's file form before 1.6: five pickles (a magic number, a version, the writer's machine,
 * the objects, the storages' keys), then each storage's element count and bytes. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_LEGACY_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_LEGACY_H

#include "model/net/weights.h"

/* Fills `weights`, which borrow `bytes`. Fails as weights_parse. */
MUST_CHECK enum status weights_legacy_read(struct span bytes, struct weights *weights,
                                           struct error *error);

#endif
