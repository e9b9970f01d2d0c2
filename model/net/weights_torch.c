#include "model/net/weights_torch.h"

#include "model/net/weights_legacy.h"
#include "model/net/weights_state_dict.h"
#include "model/net/weights_table.h"
#include "model/net/weights_zip.h"

static const struct span nothing = {(const uint8_t *)"", 0};

/* Each storage is an entry, named by its key. */
static enum status find_bytes(const void *user, const struct weights_pickle *pickle,
                              const struct weights_pickle_value *storage, struct span *ret_bytes,
                              struct error *error)
{
    struct span key = weights_pickle_item(pickle, storage, 2)->text, bytes;
    char shown[40];
    weights_table_printable(key, shown, sizeof shown);
    if (!weights_zip_find(user, "data/", key, &bytes))
        return error_set(error, STATUS_BAD_MODEL,
                         "its storage, entry 'data/%s', is not in the file", shown);
    unsigned element_bytes;
    size_t wanted;
    if (!weights_state_dict_storage_size(pickle, storage, &element_bytes, &wanted) ||
        wanted != bytes.size)
        return error_set(error, STATUS_BAD_MODEL,
                         "its storage, entry 'data/%s', has %zu bytes, which the pickle denies",
                         shown, bytes.size);
    *ret_bytes = bytes;
    return STATUS_OK;
}

static enum status read_zip(const struct weights_zip *zip, struct weights *weights,
                            struct error *error)
{
    struct span bytes, order;
    if (!weights_zip_find(zip, "data.pkl", nothing, &bytes))
        return error_set(error, STATUS_BAD_MODEL,
                         "a zip archive without a data.pkl: not a PyTorch file");
    if (weights_zip_find(zip, "byteorder", nothing, &order) && !span_has(order, 0, "little", 6))
        return error_set(error, STATUS_UNSUPPORTED, "was not written on a little-endian machine");
    struct weights_pickle *pickle;
    enum status status = weights_pickle_parse(bytes, 0, " of data.pkl", &pickle, error);
    if (status != STATUS_OK)
        return status;
    struct weights_state_dict_storages storages = {find_bytes, zip};
    status = weights_state_dict_read(pickle, &storages, weights, error);
    weights_pickle_destroy(pickle);
    return status;
}

enum status weights_torch_parse_zip(struct span bytes, struct weights **ret_weights,
                                    struct error *error)
{
    struct weights *weights = NULL;
    struct weights_zip *zip = NULL;
    enum status status = weights_zip_parse(bytes, &zip, error);
    if (status == STATUS_OK)
        status = weights_table_create("torch zip", &weights, error);
    if (status == STATUS_OK)
        status = read_zip(zip, weights, error);
    weights_zip_destroy(zip);
    if (status != STATUS_OK) {
        weights_table_destroy(weights);
        return status;
    }
    *ret_weights = weights;
    return STATUS_OK;
}

enum status weights_torch_parse_legacy(struct span bytes, struct weights **ret_weights,
                                       struct error *error)
{
    struct weights *weights;
    enum status status = weights_table_create("torch legacy", &weights, error);
    if (status != STATUS_OK)
        return status;
    status = weights_legacy_read(bytes, weights, error);
    if (status != STATUS_OK) {
        weights_table_destroy(weights);
        return status;
    }
    *ret_weights = weights;
    return STATUS_OK;
}
