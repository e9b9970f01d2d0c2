#include "model/net/weights_pickle_machine.h"

#include <stdlib.h>

enum status weights_pickle_machine_fail(const struct weights_pickle_machine *machine,
                                        const char *why)
{
    return error_set(machine->error, STATUS_BAD_MODEL, "pickle: %s at byte %llu%s: %s",
                     machine->name, (unsigned long long)machine->opened, machine->place, why);
}

static enum status fail_limit(const struct weights_pickle_machine *machine, const char *what,
                              size_t limit)
{
    return error_set(machine->error, STATUS_TOO_LARGE, "pickle: more than %zu %s at byte %llu%s",
                     limit, what, (unsigned long long)machine->opened, machine->place);
}

/* Makes room for element `count` of `*array`; doubles, up to `limit` elements. */
static enum status grow(const struct weights_pickle_machine *machine, void **array,
                        size_t *capacity, size_t count, size_t element_bytes, size_t limit,
                        const char *what)
{
    if (count < *capacity)
        return STATUS_OK;
    if (count >= limit)
        return fail_limit(machine, what, limit);
    size_t wanted = *capacity ? *capacity * 2 : 256;
    while (wanted <= count)
        wanted *= 2;
    void *grown = realloc(*array, wanted * element_bytes);
    if (!grown)
        return error_set(machine->error, STATUS_NO_MEMORY, "no memory for a pickle's %zu %s",
                         wanted, what);
    memset((uint8_t *)grown + *capacity * element_bytes, 0, (wanted - *capacity) * element_bytes);
    *array = grown;
    *capacity = wanted;
    return STATUS_OK;
}

enum status weights_pickle_machine_push(struct weights_pickle_machine *machine, uint32_t index)
{
    void *stack = machine->stack;
    enum status status = grow(machine, &stack, &machine->stack_capacity, machine->stack_count,
                              sizeof *machine->stack, WEIGHTS_PICKLE_MAX_STACK, "stack entries");
    machine->stack = stack;
    if (status == STATUS_OK)
        machine->stack[machine->stack_count++] = index;
    return status;
}

enum status weights_pickle_machine_push_value(struct weights_pickle_machine *machine,
                                              struct weights_pickle_value value)
{
    struct weights_pickle *pickle = machine->pickle;
    void *values = pickle->values;
    enum status status = grow(machine, &values, &pickle->value_capacity, pickle->value_count,
                              sizeof *pickle->values, WEIGHTS_PICKLE_MAX_VALUES, "values");
    pickle->values = values;
    if (status != STATUS_OK)
        return status;
    pickle->values[pickle->value_count] = value;
    return weights_pickle_machine_push(machine, (uint32_t)pickle->value_count++);
}

bool weights_pickle_machine_find_mark(const struct weights_pickle_machine *machine,
                                      size_t *ret_position)
{
    for (size_t i = machine->stack_count; i-- > 0;) {
        if (machine->stack[i] == WEIGHTS_PICKLE_MACHINE_MARK) {
            *ret_position = i;
            return true;
        }
    }
    return false;
}

struct weights_pickle_value *
weights_pickle_machine_peek(const struct weights_pickle_machine *machine, size_t taken)
{
    if (machine->stack_count <= taken)
        return NULL;
    uint32_t index = machine->stack[machine->stack_count - 1 - taken];
    return index == WEIGHTS_PICKLE_MACHINE_MARK ? NULL : &machine->pickle->values[index];
}

enum status weights_pickle_machine_append(struct weights_pickle_machine *machine,
                                          struct weights_pickle_value *container, uint32_t index)
{
    struct weights_pickle *pickle = machine->pickle;
    void *cells = pickle->cells;
    enum status status = grow(machine, &cells, &pickle->cell_capacity, pickle->cell_count,
                              sizeof *pickle->cells, WEIGHTS_PICKLE_MAX_ITEMS, "items");
    pickle->cells = cells;
    if (status != STATUS_OK)
        return status;
    pickle->cells[pickle->cell_count++] = (struct weights_pickle_cell){index, 0};
    uint32_t link = (uint32_t)pickle->cell_count;
    if (container->count++ == 0)
        container->first = link;
    else
        pickle->cells[container->last - 1].next = link;
    container->last = link;
    return STATUS_OK;
}

enum status weights_pickle_machine_take(struct weights_pickle_machine *machine, size_t position,
                                        struct weights_pickle_value *container)
{
    enum status status = STATUS_OK;
    for (size_t i = position; container && i < machine->stack_count && status == STATUS_OK; i++)
        status = weights_pickle_machine_append(machine, container, machine->stack[i]);
    machine->stack_count = position;
    return status;
}

enum status weights_pickle_machine_keep(struct weights_pickle_machine *machine, uint64_t number)
{
    if (!weights_pickle_machine_peek(machine, 0))
        return weights_pickle_machine_fail(machine, "there is nothing to keep");
    if (number >= WEIGHTS_PICKLE_MAX_MEMO)
        return fail_limit(machine, "memo entries", WEIGHTS_PICKLE_MAX_MEMO);
    void *memo = machine->memo;
    enum status status = grow(machine, &memo, &machine->memo_capacity, (size_t)number,
                              sizeof *machine->memo, WEIGHTS_PICKLE_MAX_MEMO, "memo entries");
    machine->memo = memo;
    if (status != STATUS_OK)
        return status;
    machine->memo_count += machine->memo[number] == 0;
    machine->memo[number] = machine->stack[machine->stack_count - 1] + 1;
    return STATUS_OK;
}

enum status weights_pickle_machine_push_kept(struct weights_pickle_machine *machine,
                                             uint64_t number)
{
    if (number >= machine->memo_capacity || machine->memo[number] == 0)
        return weights_pickle_machine_fail(machine, "nothing is kept under that number");
    return weights_pickle_machine_push(machine, machine->memo[number] - 1);
}

void weights_pickle_machine_fini(struct weights_pickle_machine *machine)
{
    free(machine->stack);
    free(machine->memo);
}
