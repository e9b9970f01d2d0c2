/* What the readers of weight files fill: the body of struct weights. Private to
 * model/net/weights*.c.
 *
 * The table copies names and metadata, borrows tensor data, and believes nothing that a reader puts
 * in: shape, strides and type are checked against the bytes. One thread while it is filled. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_TABLE_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_TABLE_H

#include "model/base/mapped_file.h"
#include "model/net/weights.h"

/* ResNet-152 has 932 tensors with names up to 33 bytes. */
enum { WEIGHTS_TABLE_MAX_TENSORS = 1 << 16, WEIGHTS_TABLE_MAX_NAME_BYTES = 256 };

struct weights_table_pair {
    char *key, *value; /* owned */
};

struct weights {
    const char *format;      /* a literal, see weights_format */
    struct mapped_file file; /* zeroed where the bytes are borrowed */
    void *values;            /* owned: numbers that stand in no file; or NULL */
    struct weights_tensor *tensors;
    size_t count, capacity;
    const struct weights_tensor **by_name; /* sorted; NULL until weights_table_finish */
    struct weights_table_pair *metadata;
    size_t metadata_count;
};

/* An empty table. `format` is a literal. Fails with STATUS_NO_MEMORY. Returns owned, freed with
 * weights_destroy. */
MUST_CHECK enum status weights_table_create(const char *format, struct weights **ret_weights,
                                            struct error *error);

/* Writes row-major strides for `tensor`'s rank and shape. */
void weights_table_set_dense_strides(struct weights_tensor *tensor);

/* Adds a tensor whose name, type, rank, shape, strides and data are set; `count` is computed here.
 * The name is copied, "module." prefixes go. `element_bytes` is the size of one element. Fails with
 * STATUS_BAD_MODEL (a name that is empty, too long or not printable ASCII; elements outside
 * `data`), STATUS_UNSUPPORTED (rank over WEIGHTS_MAX_RANK; more elements than `data` has room for,
 * as an expanded tensor has), STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
MUST_CHECK enum status weights_table_add(struct weights *weights,
                                         const struct weights_tensor *tensor, size_t element_bytes,
                                         struct error *error);

/* Adds a pair of strings, which are copied. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status weights_table_add_metadata(struct weights *weights, const char *key,
                                                  const char *value, struct error *error);

/* Makes weights_find work. Fails with STATUS_BAD_MODEL where two tensors have one name or there is
 * none at all, STATUS_NO_MEMORY. Nothing is added after. */
MUST_CHECK enum status weights_table_finish(struct weights *weights, struct error *error);

/* Frees what the table owns, and the struct; accepts NULL. */
void weights_table_destroy(struct weights *weights);

/* Copies at most `size - 1` bytes of `text` and a NUL into `ret_text`, with '?' for what is not
 * printable ASCII: for words of a file that go into an error. Returns `ret_text`. */
const char *weights_table_printable(struct span text, char *ret_text, size_t size);

#endif
