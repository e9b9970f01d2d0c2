#include "model/net/weights.h"

#include <assert.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/net/weights_safetensors.h"
#include "model/net/weights_table.h"
#include "model/net/weights_torch.h"

/* Sixteen times the largest of torchvision's; keeps a stream that never ends out of memory. */
static const size_t max_file_bytes = (size_t)8 << 30;

/* Says what bytes of no known format look like. */
static void describe(struct span bytes, struct error *error)
{
    if (bytes.size == 0) {
        error_write(error, STATUS_BAD_MODEL, "is empty");
        return;
    }
    char hex[3 * 8 + 1] = "";
    for (size_t i = 0; i < 8 && i < bytes.size; i++) {
        hex[3 * i] = ' ';
        hex[3 * i + 1] = "0123456789abcdef"[bytes.data[i] >> 4];
        hex[3 * i + 2] = "0123456789abcdef"[bytes.data[i] & 15];
    }
    error_write(error, STATUS_BAD_MODEL,
                "neither a safetensors file nor a PyTorch state dict: begins with%s", hex);
}

static enum status parse(struct span bytes, struct weights **ret_weights, struct error *error)
{
    uint64_t length = 0;
    (void)span_read_le(bytes, 0, 8, &length);
    if (span_has(bytes, 0, "PK", 2))
        return weights_torch_parse_zip(bytes, ret_weights, error);
    /* The header of safetensors begins with '{' behind its length of eight bytes; a pickle of
     * protocol 2 and later with 0x80, which may be part of such a length. */
    bool may_be_pickle = span_has(bytes, 0, "\x80", 1);
    if (span_has(bytes, 8, "{", 1) && !(may_be_pickle && length > UINT32_MAX))
        return weights_safetensors_parse(bytes, ret_weights, error);
    if (may_be_pickle)
        return weights_torch_parse_legacy(bytes, ret_weights, error);
    describe(bytes, error);
    return STATUS_BAD_MODEL;
}

/* Tensors may share a storage, but a small file of many views of one would ask for any amount of
 * memory when they are copied. An element has a byte at least, so without views none is refused. */
static enum status check_sharing(const struct weights *weights, struct span bytes,
                                 struct error *error)
{
    size_t elements = 0;
    for (size_t i = 0; i < weights->count; i++)
        if (!checked_add(elements, weights->tensors[i].count, &elements))
            elements = SIZE_MAX;
    if (elements <= bytes.size)
        return STATUS_OK;
    return error_set(error, STATUS_UNSUPPORTED,
                     "its tensors share their storage: %zu elements in a file of %zu bytes",
                     elements, bytes.size);
}

enum status weights_parse(struct span bytes, struct weights **ret_weights, struct error *error)
{
    struct weights *weights = NULL;
    enum status status = parse(bytes, &weights, error);
    if (status == STATUS_OK)
        status = check_sharing(weights, bytes, error);
    if (status == STATUS_OK)
        *ret_weights = weights;
    else
        weights_table_destroy(weights);
    return status;
}

enum status weights_open(const char *path, struct weights **ret_weights, struct error *error)
{
    struct mapped_file file;
    enum status status = mapped_file_init(path, max_file_bytes, &file, error);
    if (status != STATUS_OK)
        return status;
    struct weights *weights = NULL;
    status = weights_parse(file.bytes, &weights, error);
    if (status != STATUS_OK) {
        mapped_file_fini(&file);
        error_prefix(error, "%s", path);
        return status;
    }
    assert(weights);
    weights->file = file;
    *ret_weights = weights;
    return STATUS_OK;
}

void weights_destroy(struct weights *weights)
{
    weights_table_destroy(weights);
}

const char *weights_format(const struct weights *weights)
{
    return weights->format;
}

struct span weights_bytes(const struct weights *weights)
{
    return weights->file.bytes;
}

size_t weights_count(const struct weights *weights)
{
    return weights->count;
}

const struct weights_tensor *weights_at(const struct weights *weights, size_t index)
{
    return &weights->tensors[index];
}

static int compare_name(const void *name, const void *element)
{
    const struct weights_tensor *const *tensor = element;
    return strcmp(name, (*tensor)->name);
}

const struct weights_tensor *weights_find(const struct weights *weights, const char *name)
{
    const struct weights_tensor *const *found =
        bsearch(name, weights->by_name, weights->count, sizeof *weights->by_name, compare_name);
    return found ? *found : NULL;
}

const char *weights_metadata(const struct weights *weights, const char *key)
{
    for (size_t i = 0; i < weights->metadata_count; i++) {
        if (strcmp(weights->metadata[i].key, key) == 0)
            return weights->metadata[i].value;
    }
    return NULL;
}

const char *weights_type_name(enum weights_type type)
{
    static const char *const names[] = {
        [WEIGHTS_F32] = "F32", [WEIGHTS_F16] = "F16", [WEIGHTS_BF16] = "BF16",
        [WEIGHTS_F64] = "F64", [WEIGHTS_I64] = "I64", [WEIGHTS_OTHER] = "other",
    };
    return names[type];
}
