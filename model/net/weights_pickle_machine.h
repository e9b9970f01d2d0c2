/* The memory of the pickle machine: stack, memo, and the values it makes. Private to
 * model/net/weights_pickle*.c.
 *
 * Every growth has a limit; a pointer to a value is good until the next value is pushed. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_MACHINE_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_MACHINE_H

#include "model/net/weights_pickle.h"

/* Stands in the stack for a mark. */
#define WEIGHTS_PICKLE_MACHINE_MARK UINT32_MAX

/* Items are chains of cells in one array. */
struct weights_pickle_cell {
    uint32_t value, next; /* next: 1 + the cell's index, 0 behind the last */
};

struct weights_pickle {
    struct weights_pickle_value *values;
    struct weights_pickle_cell *cells;
    size_t value_count, value_capacity, cell_count, cell_capacity;
    uint32_t root;
    uint64_t end;
};

struct weights_pickle_machine {
    struct weights_pickle *pickle;
    struct span bytes;
    uint64_t at;      /* behind what has been read */
    uint64_t opened;  /* where the running opcode stands */
    const char *name; /* the running opcode's */
    const char *place;
    struct error *error;
    uint32_t *stack; /* indices of values, WEIGHTS_PICKLE_MACHINE_MARK among them */
    size_t stack_count, stack_capacity;
    uint32_t *memo; /* 1 + the index of a value, 0 where nothing is kept */
    size_t memo_count, memo_capacity;
    uint64_t operand; /* the running opcode's number */
    struct span text; /* the running opcode's bytes */
    bool has_stopped;
};

/* Sets "pickle: OPCODE at byte N: why" and returns STATUS_BAD_MODEL. */
enum status weights_pickle_machine_fail(const struct weights_pickle_machine *machine,
                                        const char *why);

/* The pushes fail with STATUS_TOO_LARGE or STATUS_NO_MEMORY. */
MUST_CHECK enum status weights_pickle_machine_push(struct weights_pickle_machine *machine,
                                                   uint32_t index);
MUST_CHECK enum status weights_pickle_machine_push_value(struct weights_pickle_machine *machine,
                                                         struct weights_pickle_value value);

/* The value below the top `taken` stack entries, NULL where there is none or a mark. */
struct weights_pickle_value *
weights_pickle_machine_peek(const struct weights_pickle_machine *machine, size_t taken);

/* The position of the topmost mark; false where there is none. */
bool weights_pickle_machine_find_mark(const struct weights_pickle_machine *machine,
                                      size_t *ret_position);

/* Appends value `index` to `container`'s items. */
MUST_CHECK enum status weights_pickle_machine_append(struct weights_pickle_machine *machine,
                                                     struct weights_pickle_value *container,
                                                     uint32_t index);

/* Takes the stack from `position` up and appends it to `container`, or drops it where that is NULL.
 */
MUST_CHECK enum status weights_pickle_machine_take(struct weights_pickle_machine *machine,
                                                   size_t position,
                                                   struct weights_pickle_value *container);

/* Keeps the top of the stack in the memo; pushes what is kept there. */
MUST_CHECK enum status weights_pickle_machine_keep(struct weights_pickle_machine *machine,
                                                   uint64_t number);
MUST_CHECK enum status weights_pickle_machine_push_kept(struct weights_pickle_machine *machine,
                                                        uint64_t number);

/* Frees stack and memo, not the pickle. */
void weights_pickle_machine_fini(struct weights_pickle_machine *machine);

#endif
