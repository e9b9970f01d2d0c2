/* From a pickle's values to a table of tensors: finds the state dict, reads its tensors' places.
 * Does not know what kind of file the storages stand in. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_STATE_DICT_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_STATE_DICT_H

#include "model/net/weights_pickle.h"

/* Where the bytes of storages are. `find` writes the bytes of a value of kind
 * WEIGHTS_PICKLE_STORAGE, exactly as many as its type and count ask for. */
struct weights_state_dict_storages {
    enum status (*find)(const void *user, const struct weights_pickle *pickle,
                        const struct weights_pickle_value *storage, struct span *ret_bytes,
                        struct error *error);
    const void *user;
};

/* The size of a storage's elements and all its bytes; false where that does not fit. */
bool weights_state_dict_storage_size(const struct weights_pickle *pickle,
                                     const struct weights_pickle_value *storage,
                                     unsigned *ret_element_bytes, size_t *ret_bytes);

/* Adds each tensor of the pickle's state dict, or of the one under "state_dict" or "model", to
 * `weights`; other values beside them are passed over. Fails as weights_parse. */
MUST_CHECK enum status weights_state_dict_read(const struct weights_pickle *pickle,
                                               const struct weights_state_dict_storages *storages,
                                               struct weights *weights, struct error *error);

#endif
