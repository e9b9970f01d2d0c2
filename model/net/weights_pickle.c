#include "model/net/weights_pickle.h"

#include <stdlib.h>

#include "model/net/weights_pickle_opcodes.h"

/* Reads one opcode with what belongs to it, and runs it. */
static enum status step(struct weights_pickle_machine *machine)
{
    machine->opened = machine->at;
    if (machine->at >= machine->bytes.size)
        return error_set(machine->error, STATUS_BAD_MODEL,
                         "pickle: ends at byte %llu%s without a STOP",
                         (unsigned long long)machine->at, machine->place);
    uint8_t code = machine->bytes.data[machine->at++];
    const struct weights_pickle_opcode *opcode = weights_pickle_opcodes_find(code);
    if (!opcode)
        return error_set(machine->error, STATUS_BAD_MODEL,
                         "pickle: no opcode has number 0x%02x, which is at byte %llu%s", code,
                         (unsigned long long)machine->opened, machine->place);
    machine->name = opcode->name;
    if (!opcode->run)
        return error_set(machine->error, STATUS_UNSUPPORTED, "pickle: %s at byte %llu%s: %s",
                         opcode->name, (unsigned long long)machine->opened, machine->place,
                         WEIGHTS_PICKLE_OPCODES_REFUSED);
    machine->operand = 0;
    if (opcode->operand_bytes &&
        !span_read_le(machine->bytes, machine->at, opcode->operand_bytes, &machine->operand))
        return weights_pickle_machine_fail(machine, "is cut short");
    machine->at += opcode->operand_bytes;
    if (opcode->has_text) {
        if (!span_slice(machine->bytes, machine->at, machine->operand, &machine->text))
            return weights_pickle_machine_fail(machine, "reaches behind the end");
        machine->at += machine->operand;
    }
    return opcode->run(machine);
}

enum status weights_pickle_parse(struct span bytes, uint64_t offset, const char *place,
                                 struct weights_pickle **ret_pickle, struct error *error)
{
    struct weights_pickle *pickle = calloc(1, sizeof *pickle);
    if (!pickle)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a pickle");
    struct weights_pickle_machine machine = {
        .pickle = pickle, .bytes = bytes, .at = offset, .place = place, .error = error};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !machine.has_stopped)
        status = step(&machine);
    weights_pickle_machine_fini(&machine);
    if (status != STATUS_OK) {
        weights_pickle_destroy(pickle);
        return status;
    }
    pickle->end = machine.at;
    *ret_pickle = pickle;
    return STATUS_OK;
}

void weights_pickle_destroy(struct weights_pickle *pickle)
{
    if (!pickle)
        return;
    free(pickle->values);
    free(pickle->cells);
    free(pickle);
}

uint64_t weights_pickle_end(const struct weights_pickle *pickle)
{
    return pickle->end;
}

const struct weights_pickle_value *weights_pickle_root(const struct weights_pickle *pickle)
{
    return &pickle->values[pickle->root];
}

const struct weights_pickle_value *weights_pickle_at(const struct weights_pickle *pickle,
                                                     size_t index)
{
    return index < pickle->value_count ? &pickle->values[index] : NULL;
}

const struct weights_pickle_value *weights_pickle_next(const struct weights_pickle *pickle,
                                                       const struct weights_pickle_value *value,
                                                       uint32_t *cursor)
{
    /* 0 before the first and `last`'s successor 0 behind it: the count tells them apart. */
    uint32_t link = *cursor ? pickle->cells[*cursor - 1].next : value->count ? value->first : 0;
    if (link == 0)
        return NULL;
    *cursor = link;
    return &pickle->values[pickle->cells[link - 1].value];
}

const struct weights_pickle_value *weights_pickle_item(const struct weights_pickle *pickle,
                                                       const struct weights_pickle_value *value,
                                                       uint32_t index)
{
    const struct weights_pickle_value *item = NULL;
    uint32_t cursor = 0;
    for (uint32_t i = 0; i <= index; i++) {
        item = weights_pickle_next(pickle, value, &cursor);
        if (!item)
            return NULL;
    }
    return item;
}

const struct weights_pickle_value *weights_pickle_member(const struct weights_pickle *pickle,
                                                         const struct weights_pickle_value *dict,
                                                         const char *key)
{
    const struct weights_pickle_value *found = NULL, *name, *value;
    uint32_t cursor = 0;
    if (dict->kind != WEIGHTS_PICKLE_DICT)
        return NULL;
    while ((name = weights_pickle_next(pickle, dict, &cursor)) &&
           (value = weights_pickle_next(pickle, dict, &cursor))) {
        if (weights_pickle_is_text(name, key))
            found = value;
    }
    return found;
}

bool weights_pickle_is_text(const struct weights_pickle_value *value, const char *text)
{
    return value && value->kind == WEIGHTS_PICKLE_TEXT && value->text.size == strlen(text) &&
           memcmp(value->text.data, text, value->text.size) == 0;
}
