/* The tensors of a weight file: names, shapes, types and where their bytes are.
 *
 * Reads safetensors and PyTorch state dicts (the zip form of 1.6 and later, and the sequence of
 * pickles before). Nothing in a file is ever run: the pickle reader knows what a state dict needs
 * and refuses the rest by name. Every offset, size and count is checked against the file before it
 * is believed. Immutable once made, so any number of threads may read. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_H

#include "model/base/span.h"
#include "model/base/status.h"

enum { WEIGHTS_MAX_RANK = 8 };

enum weights_type {
    WEIGHTS_F32,
    WEIGHTS_F16,
    WEIGHTS_BF16,
    WEIGHTS_F64,
    WEIGHTS_I64,
    WEIGHTS_OTHER
};

struct weights_tensor {
    const char *name; /* without a "module." prefix or a wrapper's name */
    enum weights_type type;
    unsigned rank;
    uint64_t shape[WEIGHTS_MAX_RANK];
    uint64_t strides[WEIGHTS_MAX_RANK]; /* in elements; as stored (channels_last is permuted) */
    uint64_t count;                     /* product of the shape */
    struct span data; /* from the first element to the end of its storage, in bounds */
};

struct weights;

/* Maps and reads the file at `path`. Fails with STATUS_NOT_FOUND, STATUS_IO, STATUS_BAD_MODEL
 * (broken; the text names the place: byte offset, tensor, opcode), STATUS_UNSUPPORTED (a global or
 * type that is not read, by name; more elements than the file has bytes, shared between tensors).
 * Returns owned; it keeps the file mapped. */
MUST_CHECK enum status weights_open(const char *path, struct weights **ret_weights,
                                    struct error *error);

/* The same from bytes, which are borrowed until weights_destroy. */
MUST_CHECK enum status weights_parse(struct span bytes, struct weights **ret_weights,
                                     struct error *error);

/* Accepts NULL. */
void weights_destroy(struct weights *weights);

/* "safetensors", "torch zip", "torch legacy", "random". */
const char *weights_format(const struct weights *weights);

/* The file that weights_open mapped; empty where they come from no file. */
struct span weights_bytes(const struct weights *weights);

size_t weights_count(const struct weights *weights);
const struct weights_tensor *weights_at(const struct weights *weights, size_t index);

/* NULL where there is none of that name. */
const struct weights_tensor *weights_find(const struct weights *weights, const char *name);

/* A value of safetensors' __metadata__, NULL where absent. Borrowed. */
const char *weights_metadata(const struct weights *weights, const char *key);

/* "F32", "F16" ... as safetensors spells them. */
const char *weights_type_name(enum weights_type type);

/* The elements in row-major order of the shape, as float32; `ret_values` holds tensor->count. Fails
 * with STATUS_BAD_MODEL for a type that is not floating point. */
MUST_CHECK enum status weights_copy_f32(const struct weights_tensor *tensor, float *ret_values,
                                        struct error *error);

/* The same of tensor[index], without the first axis, which there must be; `ret_values` holds
 * tensor->count / shape[0]. */
MUST_CHECK enum status weights_copy_f32_at(const struct weights_tensor *tensor, uint64_t index,
                                           float *ret_values, struct error *error);

#endif
