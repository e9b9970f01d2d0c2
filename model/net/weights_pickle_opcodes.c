/* After the comments of Python's pickletools.py, which documents each opcode. */
#include "model/net/weights_pickle_opcodes.h"

#include "model/net/weights_table.h"

enum { MAX_GLOBAL_BYTES = 256, MAX_LONG_BYTES = 64 };

static enum status run_proto(struct weights_pickle_machine *machine)
{
    if (machine->operand >= 2 && machine->operand <= 5)
        return STATUS_OK;
    return error_set(machine->error, STATUS_UNSUPPORTED, "pickle: protocol %u at byte %llu%s",
                     (unsigned)machine->operand, (unsigned long long)machine->opened,
                     machine->place);
}

static enum status run_frame(struct weights_pickle_machine *machine)
{
    struct span frame;
    if (!span_slice(machine->bytes, machine->at, machine->operand, &frame))
        return weights_pickle_machine_fail(machine, "reaches behind the end");
    return STATUS_OK;
}

static enum status run_stop(struct weights_pickle_machine *machine)
{
    if (machine->stack_count != 1 || !weights_pickle_machine_peek(machine, 0))
        return weights_pickle_machine_fail(machine, "the stack does not hold one value");
    machine->pickle->root = machine->stack[0];
    machine->has_stopped = true;
    return STATUS_OK;
}

static enum status run_mark(struct weights_pickle_machine *machine)
{
    return weights_pickle_machine_push(machine, WEIGHTS_PICKLE_MACHINE_MARK);
}

static enum status run_pop(struct weights_pickle_machine *machine)
{
    if (machine->stack_count == 0)
        return weights_pickle_machine_fail(machine, "the stack is empty");
    machine->stack_count--;
    return STATUS_OK;
}

static enum status run_pop_mark(struct weights_pickle_machine *machine)
{
    size_t position;
    if (!weights_pickle_machine_find_mark(machine, &position))
        return weights_pickle_machine_fail(machine, "there is no mark");
    machine->stack_count = position;
    return STATUS_OK;
}

static enum status push_kind(struct weights_pickle_machine *machine, enum weights_pickle_kind kind)
{
    return weights_pickle_machine_push_value(machine, (struct weights_pickle_value){.kind = kind});
}

static enum status run_none(struct weights_pickle_machine *machine)
{
    return push_kind(machine, WEIGHTS_PICKLE_NONE);
}

static enum status push_integer(struct weights_pickle_machine *machine,
                                enum weights_pickle_kind kind, int64_t integer)
{
    return weights_pickle_machine_push_value(
        machine, (struct weights_pickle_value){.kind = kind, .integer = integer});
}

static enum status run_true(struct weights_pickle_machine *machine)
{
    return push_integer(machine, WEIGHTS_PICKLE_BOOLEAN, 1);
}

static enum status run_false(struct weights_pickle_machine *machine)
{
    return push_integer(machine, WEIGHTS_PICKLE_BOOLEAN, 0);
}

static enum status run_unsigned(struct weights_pickle_machine *machine)
{
    return push_integer(machine, WEIGHTS_PICKLE_INTEGER, (int64_t)machine->operand);
}

static enum status run_binint(struct weights_pickle_machine *machine)
{
    return push_integer(machine, WEIGHTS_PICKLE_INTEGER, (int32_t)(uint32_t)machine->operand);
}

/* Two's complement, little endian, any length. */
static enum status run_long(struct weights_pickle_machine *machine)
{
    size_t size = machine->text.size;
    if (size > MAX_LONG_BYTES)
        return weights_pickle_machine_fail(machine, "a number of more than 64 bytes");
    if (size > 8)
        return weights_pickle_machine_push_value(
            machine,
            (struct weights_pickle_value){.kind = WEIGHTS_PICKLE_LONG, .text = machine->text});
    uint64_t value = size && machine->text.data[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | machine->text.data[i];
    return push_integer(machine, WEIGHTS_PICKLE_INTEGER, (int64_t)value);
}

/* Eight bytes, big endian. */
static enum status run_binfloat(struct weights_pickle_machine *machine)
{
    uint64_t bits = __builtin_bswap64(machine->operand);
    struct weights_pickle_value value = {.kind = WEIGHTS_PICKLE_NUMBER};
    memcpy(&value.number, &bits, sizeof value.number);
    return weights_pickle_machine_push_value(machine, value);
}

static enum status run_text(struct weights_pickle_machine *machine)
{
    return weights_pickle_machine_push_value(
        machine, (struct weights_pickle_value){.kind = WEIGHTS_PICKLE_TEXT, .text = machine->text});
}

static enum status run_empty_tuple(struct weights_pickle_machine *machine)
{
    return push_kind(machine, WEIGHTS_PICKLE_TUPLE);
}

static enum status run_empty_list(struct weights_pickle_machine *machine)
{
    return push_kind(machine, WEIGHTS_PICKLE_LIST);
}

static enum status run_empty_dict(struct weights_pickle_machine *machine)
{
    return push_kind(machine, WEIGHTS_PICKLE_DICT);
}

static enum status run_empty_set(struct weights_pickle_machine *machine)
{
    return push_kind(machine, WEIGHTS_PICKLE_INERT);
}

static enum status run_tuple(struct weights_pickle_machine *machine)
{
    size_t position;
    if (!weights_pickle_machine_find_mark(machine, &position))
        return weights_pickle_machine_fail(machine, "there is no mark");
    struct weights_pickle_value tuple = {.kind = WEIGHTS_PICKLE_TUPLE};
    enum status status = weights_pickle_machine_take(machine, position + 1, &tuple);
    machine->stack_count = position;
    return status == STATUS_OK ? weights_pickle_machine_push_value(machine, tuple) : status;
}

static enum status push_tuple_of(struct weights_pickle_machine *machine, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!weights_pickle_machine_peek(machine, i))
            return weights_pickle_machine_fail(machine, "the stack is too short");
    }
    struct weights_pickle_value tuple = {.kind = WEIGHTS_PICKLE_TUPLE};
    enum status status = weights_pickle_machine_take(machine, machine->stack_count - count, &tuple);
    return status == STATUS_OK ? weights_pickle_machine_push_value(machine, tuple) : status;
}

static enum status run_tuple1(struct weights_pickle_machine *machine)
{
    return push_tuple_of(machine, 1);
}

static enum status run_tuple2(struct weights_pickle_machine *machine)
{
    return push_tuple_of(machine, 2);
}

static enum status run_tuple3(struct weights_pickle_machine *machine)
{
    return push_tuple_of(machine, 3);
}

/* Moves the stack from `position` up into the container, which lies below it and `marks` marks. */
static enum status fill(struct weights_pickle_machine *machine, size_t position, size_t marks,
                        enum weights_pickle_kind kind)
{
    size_t count = machine->stack_count - position;
    struct weights_pickle_value *container = weights_pickle_machine_peek(machine, count + marks);
    if (!container || (container->kind != kind && container->kind != WEIGHTS_PICKLE_INERT))
        return weights_pickle_machine_fail(machine, "there is nothing to put its items into");
    if (kind == WEIGHTS_PICKLE_DICT && count % 2 != 0)
        return weights_pickle_machine_fail(machine, "a key has no value");
    enum status status =
        weights_pickle_machine_take(machine, position, container->kind == kind ? container : NULL);
    machine->stack_count -= marks;
    return status;
}

static enum status fill_above_mark(struct weights_pickle_machine *machine,
                                   enum weights_pickle_kind kind)
{
    size_t position;
    if (!weights_pickle_machine_find_mark(machine, &position))
        return weights_pickle_machine_fail(machine, "there is no mark");
    return fill(machine, position + 1, 1, kind);
}

/* The same of the top `count` values, without a mark. */
static enum status fill_with(struct weights_pickle_machine *machine, size_t count,
                             enum weights_pickle_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (!weights_pickle_machine_peek(machine, i))
            return weights_pickle_machine_fail(machine, "the stack is too short");
    }
    return fill(machine, machine->stack_count - count, 0, kind);
}

static enum status run_append(struct weights_pickle_machine *machine)
{
    return fill_with(machine, 1, WEIGHTS_PICKLE_LIST);
}

static enum status run_appends(struct weights_pickle_machine *machine)
{
    return fill_above_mark(machine, WEIGHTS_PICKLE_LIST);
}

static enum status run_setitem(struct weights_pickle_machine *machine)
{
    return fill_with(machine, 2, WEIGHTS_PICKLE_DICT);
}

static enum status run_setitems(struct weights_pickle_machine *machine)
{
    return fill_above_mark(machine, WEIGHTS_PICKLE_DICT);
}

static enum status run_additems(struct weights_pickle_machine *machine)
{
    return fill_above_mark(machine, WEIGHTS_PICKLE_INERT);
}

static enum status run_put(struct weights_pickle_machine *machine)
{
    return weights_pickle_machine_keep(machine, machine->operand);
}

static enum status run_memoize(struct weights_pickle_machine *machine)
{
    return weights_pickle_machine_keep(machine, machine->memo_count);
}

static enum status run_get(struct weights_pickle_machine *machine)
{
    return weights_pickle_machine_push_kept(machine, machine->operand);
}

static enum status refuse_global(const struct weights_pickle_machine *machine, struct span module,
                                 struct span name)
{
    char shown_module[80], shown_name[80];
    return error_set(machine->error, STATUS_UNSUPPORTED, "%s.%s at byte %llu%s: %s",
                     weights_table_printable(module, shown_module, sizeof shown_module),
                     weights_table_printable(name, shown_name, sizeof shown_name),
                     (unsigned long long)machine->opened, machine->place,
                     WEIGHTS_PICKLE_OPCODES_REFUSED);
}

static enum status push_global(struct weights_pickle_machine *machine, struct span module,
                               struct span name)
{
    struct weights_pickle_value value = {.kind = WEIGHTS_PICKLE_GLOBAL,
                                         .global = weights_pickle_globals_find(module, name)};
    if (!value.global)
        return refuse_global(machine, module, name);
    return weights_pickle_machine_push_value(machine, value);
}

static bool read_line(struct weights_pickle_machine *machine, struct span *ret_line)
{
    struct span rest;
    if (!span_slice(machine->bytes, machine->at, machine->bytes.size - machine->at, &rest))
        return false;
    size_t limit = rest.size < MAX_GLOBAL_BYTES ? rest.size : MAX_GLOBAL_BYTES;
    const uint8_t *end = limit ? memchr(rest.data, '\n', limit) : NULL;
    if (!end)
        return false;
    *ret_line = (struct span){rest.data, (size_t)(end - rest.data)};
    machine->at += ret_line->size + 1;
    return true;
}

static enum status run_global(struct weights_pickle_machine *machine)
{
    struct span module, name;
    if (!read_line(machine, &module) || !read_line(machine, &name))
        return weights_pickle_machine_fail(machine, "no name of at most 255 bytes");
    return push_global(machine, module, name);
}

/* Calls a class: never in a state dict, so that only its name is of interest. */
static enum status run_inst(struct weights_pickle_machine *machine)
{
    struct span module, name;
    if (!read_line(machine, &module) || !read_line(machine, &name))
        return weights_pickle_machine_fail(machine, "no name of at most 255 bytes");
    return refuse_global(machine, module, name);
}

static enum status run_stack_global(struct weights_pickle_machine *machine)
{
    struct weights_pickle_value *name = weights_pickle_machine_peek(machine, 0),
                                *module = weights_pickle_machine_peek(machine, 1);
    if (!name || !module || name->kind != WEIGHTS_PICKLE_TEXT ||
        module->kind != WEIGHTS_PICKLE_TEXT)
        return weights_pickle_machine_fail(machine, "the name is not text");
    machine->stack_count -= 2;
    return push_global(machine, module->text, name->text);
}

static enum status run_build(struct weights_pickle_machine *machine)
{
    /* A state dict's _metadata, or what is in an inert object. */
    const struct weights_pickle_value *object = weights_pickle_machine_peek(machine, 1);
    if (!weights_pickle_machine_peek(machine, 0) || !object ||
        (object->kind != WEIGHTS_PICKLE_DICT && object->kind != WEIGHTS_PICKLE_INERT))
        return weights_pickle_machine_fail(machine, "there is no object to give a state to");
    machine->stack_count--;
    return STATUS_OK;
}

static bool is_kind(const struct weights_pickle_value *value, enum weights_pickle_kind kind)
{
    return value && value->kind == kind;
}

static const struct weights_pickle_value *argument(const struct weights_pickle_machine *machine,
                                                   const struct weights_pickle_value *tuple,
                                                   uint32_t index)
{
    return weights_pickle_item(machine->pickle, tuple, index);
}

/* Python 2's OrderedDict comes as a list of its pairs. */
static enum status push_dict(struct weights_pickle_machine *machine,
                             const struct weights_pickle_value *arguments)
{
    struct weights_pickle *pickle = machine->pickle;
    struct weights_pickle_value dict = {.kind = WEIGHTS_PICKLE_DICT};
    const struct weights_pickle_value *pairs = argument(machine, arguments, 0), *pair;
    if (arguments->count > 1 || (pairs && pairs->kind != WEIGHTS_PICKLE_LIST))
        return weights_pickle_machine_fail(machine, "an OrderedDict is not made of this");
    uint32_t cursor = 0;
    while (pairs && (pair = weights_pickle_next(pickle, pairs, &cursor))) {
        if ((pair->kind != WEIGHTS_PICKLE_LIST && pair->kind != WEIGHTS_PICKLE_TUPLE) ||
            pair->count != 2)
            return weights_pickle_machine_fail(machine, "an OrderedDict is not made of this");
        enum status status =
            weights_pickle_machine_append(machine, &dict, pickle->cells[pair->first - 1].value);
        if (status == STATUS_OK)
            status =
                weights_pickle_machine_append(machine, &dict, pickle->cells[pair->last - 1].value);
        if (status != STATUS_OK)
            return status;
    }
    return weights_pickle_machine_push_value(machine, dict);
}

/* A tensor or storage has the items of the tuple that it was made of. */
static enum status push_made_of(struct weights_pickle_machine *machine,
                                enum weights_pickle_kind kind,
                                const struct weights_pickle_value *tuple)
{
    struct weights_pickle_value value = *tuple;
    value.kind = kind;
    return weights_pickle_machine_push_value(machine, value);
}

static enum status push_tensor(struct weights_pickle_machine *machine,
                               const struct weights_pickle_value *arguments, bool is_first_version)
{
    bool has_count =
        is_first_version ? arguments->count == 4 : arguments->count == 6 || arguments->count == 7;
    if (!has_count || !is_kind(argument(machine, arguments, 0), WEIGHTS_PICKLE_STORAGE))
        return weights_pickle_machine_fail(machine, "a tensor is not made of this");
    return push_made_of(machine, WEIGHTS_PICKLE_TENSOR, arguments);
}

static enum status push_parameter(struct weights_pickle_machine *machine,
                                  const struct weights_pickle_value *arguments)
{
    const struct weights_pickle_value *tensor = argument(machine, arguments, 0);
    if (arguments->count != 3 || !is_kind(tensor, WEIGHTS_PICKLE_TENSOR))
        return weights_pickle_machine_fail(machine, "a parameter is not made of this");
    return push_made_of(machine, WEIGHTS_PICKLE_TENSOR, tensor);
}

static const char no_call[] = "there are no name and arguments to call it with";

/* Takes a global and its arguments off the stack; false where they are not there. */
static bool pop_call(struct weights_pickle_machine *machine,
                     const struct weights_pickle_global **ret_global,
                     struct weights_pickle_value *ret_arguments)
{
    const struct weights_pickle_value *arguments = weights_pickle_machine_peek(machine, 0),
                                      *global = weights_pickle_machine_peek(machine, 1);
    if (!is_kind(arguments, WEIGHTS_PICKLE_TUPLE) || !is_kind(global, WEIGHTS_PICKLE_GLOBAL))
        return false;
    *ret_global = global->global;
    *ret_arguments = *arguments;
    machine->stack_count -= 2;
    return true;
}

static enum status run_reduce(struct weights_pickle_machine *machine)
{
    const struct weights_pickle_global *global;
    struct weights_pickle_value arguments;
    if (!pop_call(machine, &global, &arguments))
        return weights_pickle_machine_fail(machine, no_call);
    switch (global->role) {
    case WEIGHTS_PICKLE_ROLE_DICT:
        return push_dict(machine, &arguments);
    case WEIGHTS_PICKLE_ROLE_TENSOR_V1:
        return push_tensor(machine, &arguments, true);
    case WEIGHTS_PICKLE_ROLE_TENSOR_V2:
        return push_tensor(machine, &arguments, false);
    case WEIGHTS_PICKLE_ROLE_PARAMETER:
        return push_parameter(machine, &arguments);
    case WEIGHTS_PICKLE_ROLE_INERT:
        return push_kind(machine, WEIGHTS_PICKLE_INERT);
    case WEIGHTS_PICKLE_ROLE_STORAGE:
        break;
    }
    return weights_pickle_machine_fail(machine, "a type of storage cannot be called");
}

static enum status run_newobj(struct weights_pickle_machine *machine)
{
    const struct weights_pickle_global *global;
    struct weights_pickle_value arguments;
    if (!pop_call(machine, &global, &arguments))
        return weights_pickle_machine_fail(machine, no_call);
    if (global->role != WEIGHTS_PICKLE_ROLE_INERT)
        return weights_pickle_machine_fail(machine, "the name is no class that is made this way");
    return push_kind(machine, WEIGHTS_PICKLE_INERT);
}

/* What torch keeps outside the pickle: ("storage", type, key, device, count[, view]). */
static enum status run_binpersid(struct weights_pickle_machine *machine)
{
    const struct weights_pickle_value *top = weights_pickle_machine_peek(machine, 0);
    if (!is_kind(top, WEIGHTS_PICKLE_TUPLE) || (top->count != 5 && top->count != 6))
        return weights_pickle_machine_fail(machine, "is no storage");
    struct weights_pickle_value id = *top;
    const struct weights_pickle_value *type = argument(machine, &id, 1);
    const struct weights_pickle_value *count = argument(machine, &id, 4);
    if (!weights_pickle_is_text(argument(machine, &id, 0), "storage") ||
        !is_kind(type, WEIGHTS_PICKLE_GLOBAL) ||
        type->global->role != WEIGHTS_PICKLE_ROLE_STORAGE ||
        !is_kind(argument(machine, &id, 2), WEIGHTS_PICKLE_TEXT) ||
        !is_kind(argument(machine, &id, 3), WEIGHTS_PICKLE_TEXT) ||
        !is_kind(count, WEIGHTS_PICKLE_INTEGER) || count->integer < 0)
        return weights_pickle_machine_fail(machine, "is no storage");
    machine->stack_count--;
    return push_made_of(machine, WEIGHTS_PICKLE_STORAGE, &id);
}

static const struct weights_pickle_opcode opcodes[256] = {
    ['('] = {"MARK", run_mark, 0, false},
    [')'] = {"EMPTY_TUPLE", run_empty_tuple, 0, false},
    ['.'] = {"STOP", run_stop, 0, false},
    ['0'] = {"POP", run_pop, 0, false},
    ['1'] = {"POP_MARK", run_pop_mark, 0, false},
    ['2'] = {.name = "DUP"},
    ['B'] = {"BINBYTES", run_text, 4, true},
    ['C'] = {"SHORT_BINBYTES", run_text, 1, true},
    ['F'] = {.name = "FLOAT"},
    ['G'] = {"BINFLOAT", run_binfloat, 8, false},
    ['I'] = {.name = "INT"},
    ['J'] = {"BININT", run_binint, 4, false},
    ['K'] = {"BININT1", run_unsigned, 1, false},
    ['L'] = {.name = "LONG"},
    ['M'] = {"BININT2", run_unsigned, 2, false},
    ['N'] = {"NONE", run_none, 0, false},
    ['P'] = {.name = "PERSID"},
    ['Q'] = {"BINPERSID", run_binpersid, 0, false},
    ['R'] = {"REDUCE", run_reduce, 0, false},
    ['S'] = {.name = "STRING"},
    ['T'] = {"BINSTRING", run_text, 4, true},
    ['U'] = {"SHORT_BINSTRING", run_text, 1, true},
    ['V'] = {.name = "UNICODE"},
    ['X'] = {"BINUNICODE", run_text, 4, true},
    [']'] = {"EMPTY_LIST", run_empty_list, 0, false},
    ['a'] = {"APPEND", run_append, 0, false},
    ['b'] = {"BUILD", run_build, 0, false},
    ['c'] = {"GLOBAL", run_global, 0, false},
    ['d'] = {.name = "DICT"},
    ['e'] = {"APPENDS", run_appends, 0, false},
    ['g'] = {.name = "GET"},
    ['h'] = {"BINGET", run_get, 1, false},
    ['i'] = {"INST", run_inst, 0, false},
    ['j'] = {"LONG_BINGET", run_get, 4, false},
    ['l'] = {.name = "LIST"},
    ['o'] = {.name = "OBJ"},
    ['p'] = {.name = "PUT"},
    ['q'] = {"BINPUT", run_put, 1, false},
    ['r'] = {"LONG_BINPUT", run_put, 4, false},
    ['s'] = {"SETITEM", run_setitem, 0, false},
    ['t'] = {"TUPLE", run_tuple, 0, false},
    ['u'] = {"SETITEMS", run_setitems, 0, false},
    ['}'] = {"EMPTY_DICT", run_empty_dict, 0, false},
    [0x80] = {"PROTO", run_proto, 1, false},
    [0x81] = {"NEWOBJ", run_newobj, 0, false},
    [0x82] = {.name = "EXT1"},
    [0x83] = {.name = "EXT2"},
    [0x84] = {.name = "EXT4"},
    [0x85] = {"TUPLE1", run_tuple1, 0, false},
    [0x86] = {"TUPLE2", run_tuple2, 0, false},
    [0x87] = {"TUPLE3", run_tuple3, 0, false},
    [0x88] = {"NEWTRUE", run_true, 0, false},
    [0x89] = {"NEWFALSE", run_false, 0, false},
    [0x8a] = {"LONG1", run_long, 1, true},
    [0x8b] = {.name = "LONG4"},
    [0x8c] = {"SHORT_BINUNICODE", run_text, 1, true},
    [0x8d] = {.name = "BINUNICODE8"},
    [0x8e] = {.name = "BINBYTES8"},
    [0x8f] = {"EMPTY_SET", run_empty_set, 0, false},
    [0x90] = {"ADDITEMS", run_additems, 0, false},
    [0x91] = {.name = "FROZENSET"},
    [0x92] = {.name = "NEWOBJ_EX"},
    [0x93] = {"STACK_GLOBAL", run_stack_global, 0, false},
    [0x94] = {"MEMOIZE", run_memoize, 0, false},
    [0x95] = {"FRAME", run_frame, 8, false},
    [0x96] = {.name = "BYTEARRAY8"},
    [0x97] = {.name = "NEXT_BUFFER"},
    [0x98] = {.name = "READONLY_BUFFER"},
};

const struct weights_pickle_opcode *weights_pickle_opcodes_find(uint8_t code)
{
    return opcodes[code].name ? &opcodes[code] : NULL;
}
