/* Where a model's packed weights are cached: beside its weight file, or in a folder of caches. */
#ifndef CLASSIFYD_MODEL_MODEL_CACHE_H
#define CLASSIFYD_MODEL_MODEL_CACHE_H

#include "model/model.h"
#include "model/model_source.h"
#include "model/net/packed_cache.h"

/* By the options' `cache` and `user_cache`: see model.h. Reads the weight file once for its
 * fingerprint. Off for weights that stand in no regular file. Fails with STATUS_NO_MEMORY. To be
 * ended with packed_cache_fini, also after a failure. */
MUST_CHECK enum status model_cache_init(const struct model_options *options,
                                        const struct model_source *source,
                                        struct packed_cache *ret_cache, struct error *error);

#endif
