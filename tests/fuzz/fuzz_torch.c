/* weights_torch: the archive, the older form, and the pickle alone, so that its opcodes are reached
 * without a container around them. */
#include "model/net/weights_pickle.h"
#include "model/net/weights_torch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/read_weights.h"

static void read_file(struct span bytes,
                      enum status (*parse)(struct span bytes, struct weights **ret_weights,
                                           struct error *error))
{
    struct weights *weights;
    struct error error = {0};
    enum status status = parse(bytes, &weights, &error);
    if (status == STATUS_OK) {
        read_weights(weights, bytes.size);
        weights_destroy(weights);
    } else if (error.status != status || error.text[0] == 0) {
        abort();
    }
}

/* Walks each value's items once, not the values below them: there is no end to a list of itself. */
static void read_pickle(struct span bytes)
{
    struct weights_pickle *pickle;
    if (weights_pickle_parse(bytes, 0, "", &pickle, NULL) != STATUS_OK)
        return;
    if (weights_pickle_end(pickle) > bytes.size)
        abort();
    const struct weights_pickle_value *value;
    for (size_t i = 0; (value = weights_pickle_at(pickle, i)); i++) {
        uint32_t cursor = 0, count = 0;
        while (weights_pickle_next(pickle, value, &cursor))
            count++;
        if (count != value->count)
            abort();
        (void)weights_pickle_member(pickle, value, "state_dict");
    }
    weights_pickle_destroy(pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {data, size};
    if (span_has(bytes, 0, "PK", 2)) {
        read_file(bytes, weights_torch_parse_zip);
        return 0;
    }
    read_file(bytes, weights_torch_parse_legacy);
    read_pickle(bytes);
    return 0;
}
