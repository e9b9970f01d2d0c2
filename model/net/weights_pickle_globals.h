/* The names that the pickle reader knows. A pickle can name any function or class that Python can
 * import; everything that is not in this table is refused. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_GLOBALS_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_GLOBALS_H

#include "model/net/weights.h"

enum weights_pickle_role {
    WEIGHTS_PICKLE_ROLE_DICT,
    WEIGHTS_PICKLE_ROLE_STORAGE,   /* a type of elements; is not called */
    WEIGHTS_PICKLE_ROLE_TENSOR_V1, /* called with storage, offset, size, strides */
    WEIGHTS_PICKLE_ROLE_TENSOR_V2, /* and whether it has a gradient, hooks, from 2.0 on metadata */
    WEIGHTS_PICKLE_ROLE_PARAMETER, /* called with tensor, whether it has a gradient, hooks */
    WEIGHTS_PICKLE_ROLE_INERT,     /* stands beside the weights; what goes into it is dropped */
};

struct weights_pickle_global {
    const char *module, *name;
    enum weights_pickle_role role;
    enum weights_type type; /* of a storage's elements */
    unsigned element_bytes;
};

/* NULL for a name that is not known. Any thread. */
const struct weights_pickle_global *weights_pickle_globals_find(struct span module,
                                                                struct span name);

#endif
