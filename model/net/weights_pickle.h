/* Reads a Python pickle as data: builds what a state dict is made of, and refuses the rest by name.
 *
 * A pickle is a program for a stack machine whose instructions may name and call any Python
 * function. Here a name is looked up in a short table that says what the call would have built;
 * nothing is imported, called or run. There is no recursion, a value is referred to by its index,
 * and every array has a limit, so that neither depth nor sharing costs more than the pickle's own
 * length. Immutable once read. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_H

#include "model/net/weights_pickle_globals.h"

enum {
    WEIGHTS_PICKLE_MAX_VALUES = 1 << 20,
    WEIGHTS_PICKLE_MAX_ITEMS = 1 << 21, /* in all lists, tuples and dicts together */
    WEIGHTS_PICKLE_MAX_STACK = 1 << 16,
    WEIGHTS_PICKLE_MAX_MEMO = 1 << 20,
};

enum weights_pickle_kind {
    WEIGHTS_PICKLE_NONE,
    WEIGHTS_PICKLE_BOOLEAN,
    WEIGHTS_PICKLE_INTEGER,
    WEIGHTS_PICKLE_LONG, /* over eight bytes: `text`, little endian */
    WEIGHTS_PICKLE_NUMBER,
    WEIGHTS_PICKLE_TEXT,
    WEIGHTS_PICKLE_TUPLE,
    WEIGHTS_PICKLE_LIST,
    WEIGHTS_PICKLE_DICT, /* items are key, value, key, value ... as they were set */
    WEIGHTS_PICKLE_GLOBAL,
    WEIGHTS_PICKLE_STORAGE, /* items: "storage", a global of `element_bytes`, the key (text), the
                               device (text), the number of elements (integer), and in files before
                               1.6 perhaps a view */
    WEIGHTS_PICKLE_TENSOR,  /* items: a storage, the offset, the size, the strides, more */
    WEIGHTS_PICKLE_INERT,   /* an object beside the weights that nobody asks for */
};

struct weights_pickle_value {
    enum weights_pickle_kind kind;
    uint32_t count;       /* items of a tuple, list, dict, storage, tensor */
    uint32_t first, last; /* the reader's own */
    union {
        int64_t integer; /* a boolean too */
        double number;
        struct span text;
        const struct weights_pickle_global *global;
    };
};

struct weights_pickle;

/* Reads the pickle that begins at `offset` of `bytes`, which are borrowed while it lives. `place`
 * ends a byte's number in errors, as " of data.pkl". Fails with STATUS_UNSUPPORTED (a name or
 * opcode that no state dict has), STATUS_BAD_MODEL (broken, by opcode and byte), STATUS_TOO_LARGE,
 * STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status weights_pickle_parse(struct span bytes, uint64_t offset, const char *place,
                                            struct weights_pickle **ret_pickle,
                                            struct error *error);

/* Accepts NULL. */
void weights_pickle_destroy(struct weights_pickle *pickle);

/* The offset behind the pickle's last byte. */
uint64_t weights_pickle_end(const struct weights_pickle *pickle);

/* All that is borrowed below lives as long as the pickle. */
const struct weights_pickle_value *weights_pickle_root(const struct weights_pickle *pickle);

/* Every value the pickle made, in the order of making; NULL behind the last. */
const struct weights_pickle_value *weights_pickle_at(const struct weights_pickle *pickle,
                                                     size_t index);

/* Item `index` of a value that has items; NULL where there is none. Walks there: for short ones. */
const struct weights_pickle_value *weights_pickle_item(const struct weights_pickle *pickle,
                                                       const struct weights_pickle_value *value,
                                                       uint32_t index);

/* The next item, NULL behind the last. `*cursor` is 0 before the first. */
const struct weights_pickle_value *weights_pickle_next(const struct weights_pickle *pickle,
                                                       const struct weights_pickle_value *value,
                                                       uint32_t *cursor);

/* The value of a dict's text key, the last where it was set twice; NULL where there is none or
 * `dict` is no dict. */
const struct weights_pickle_value *weights_pickle_member(const struct weights_pickle *pickle,
                                                         const struct weights_pickle_value *dict,
                                                         const char *key);

/* Whether `value` (may be NULL) is this text. */
bool weights_pickle_is_text(const struct weights_pickle_value *value, const char *text);

#endif
