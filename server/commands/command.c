#include "server/commands/command.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/json_doc.h"
#include "model/base/nearest.h"
#include "server/commands/terminal.h"
#include "server/config/cpu_count.h"

const char *const command_precisions[] = {"auto", "float32", "bf16", "int8", NULL};
const char *const command_kernel_sets[] = {"auto",   "generic", "blas", "avx2",
                                           "avx512", "amx",     NULL};

const struct command_variable command_variables[] = {
    {"CLASSIFYD_MODEL_DIRS", "folders, parted by colons, where weight files are looked for; the "
                             "first is where pull puts them"},
    {"NO_COLOR", "no colours on a terminal where this is set and not empty"},
    {"OPENBLAS_CORETYPE", "the kernels that OpenBLAS uses; chosen by the CPU where this is unset"},
    {NULL, NULL},
};

/* How far parsing has come. */
struct parser {
    const struct command *command;
    struct command_call *call;
    int argc, next; /* argv[next] is the next word */
    char **argv;
    struct error *error;
};

static size_t option_count(const struct command *command)
{
    size_t count = 0;
    while (command->options && command->options[count].kind != COMMAND_END)
        count++;
    assert(count <= COMMAND_MAX_OPTIONS);
    return count;
}

static enum status read_number(const struct command_option *option, const char *text,
                               const char *end, int64_t *ret_number, struct error *error)
{
    char *stop;
    errno = 0;
    long long number = strtoll(text, &stop, 10);
    /* strtoll would take leading blanks and a plus sign, too. */
    bool is_number = stop == end && stop > text && (*text == '-' || (*text >= '0' && *text <= '9'));
    if (!is_number || errno == ERANGE || number < option->min || number > option->max)
        return error_set(error, STATUS_BAD_REQUEST,
                         "--%s wants a number from %lld to %lld, not \"%.*s\"", option->name,
                         (long long)option->min, (long long)option->max, (int)(end - text), text);
    *ret_number = number;
    return STATUS_OK;
}

static enum status read_list(const struct command_option *option, struct command_value *value,
                             struct error *error)
{
    value->list_count = 0;
    for (const char *at = value->text;; at++) {
        if (value->list_count == COMMAND_MAX_LIST)
            return error_set(error, STATUS_BAD_REQUEST, "--%s takes at most %d numbers",
                             option->name, COMMAND_MAX_LIST);
        const char *end = strchrnul(at, ',');
        enum status status = read_number(option, at, end, &value->list[value->list_count++], error);
        if (status || *end == '\0')
            return status;
        at = end;
    }
}

static enum status read_choice(const struct command_option *option, const char *text,
                               struct error *error)
{
    char names[256] = "";
    for (const char *const *choice = option->choices; *choice; choice++) {
        if (strcmp(*choice, text) == 0)
            return STATUS_OK;
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", *choice);
    }
    return error_set(error, STATUS_BAD_REQUEST, "--%s is one of %s, not \"%s\"", option->name,
                     names, text);
}

/* Puts `text`, checked, as the option's value. */
static enum status read_value(const struct command_option *option, const char *text,
                              struct command_value *value, struct error *error)
{
    value->text = text;
    switch (option->kind) {
    case COMMAND_INTEGER:
        return read_number(option, text, text + strlen(text), &value->number, error);
    case COMMAND_LIST:
        return read_list(option, value, error);
    case COMMAND_CHOICE:
        return read_choice(option, text, error);
    case COMMAND_TEXT:
        if (*text == '\0')
            return error_set(error, STATUS_BAD_REQUEST, "--%s wants a value, not an empty one",
                             option->name);
        return STATUS_OK;
    case COMMAND_TEXTS:
        if (value->list_count == COMMAND_MAX_LIST)
            return error_set(error, STATUS_BAD_REQUEST, "--%s is taken at most %d times",
                             option->name, COMMAND_MAX_LIST);
        value->texts[value->list_count++] = text;
        return STATUS_OK;
    case COMMAND_FLAG:
    case COMMAND_END:
        break;
    }
    return STATUS_OK;
}

static enum status set_presets(struct parser *parser)
{
    for (size_t i = 0; i < option_count(parser->command); i++) {
        const struct command_option *option = &parser->command->options[i];
        if (!option->preset)
            continue;
        enum status status =
            read_value(option, option->preset, &parser->call->values[i], parser->error);
        if (status)
            return status;
    }
    return STATUS_OK;
}

/* `attached` is what stands in the same word ("=5" without the sign), NULL: the next word is the
 * value. */
static enum status take_option(struct parser *parser, size_t index, const char *attached)
{
    const struct command_option *option = &parser->command->options[index];
    struct command_value *value = &parser->call->values[index];
    value->is_given = true;
    if (option->kind == COMMAND_FLAG) {
        if (attached)
            return error_set(parser->error, STATUS_BAD_REQUEST, "--%s takes no value",
                             option->name);
        return STATUS_OK;
    }
    if (!attached && parser->next == parser->argc)
        return error_set(parser->error, STATUS_BAD_REQUEST, "--%s wants a value: --%s %s",
                         option->name, option->name, option->value);
    if (!attached)
        attached = parser->argv[parser->next++];
    return read_value(option, attached, value, parser->error);
}

static enum status take_long(struct parser *parser, const char *word)
{
    const char *name = word + 2, *equals = strchrnul(name, '=');
    size_t length = (size_t)(equals - name);
    if (length == strlen("help") && strncmp(name, "help", length) == 0) {
        parser->call->is_help = true;
        return STATUS_OK;
    }
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    struct nearest nearest = {.wanted = wanted};
    nearest_offer(&nearest, "help");
    for (size_t i = 0; i < option_count(parser->command); i++) {
        const char *candidate = parser->command->options[i].name;
        if (strlen(candidate) == length && strncmp(candidate, name, length) == 0)
            return take_option(parser, i, *equals ? equals + 1 : NULL);
        nearest_offer(&nearest, candidate);
    }
    return error_set(parser->error, STATUS_BAD_REQUEST, "unknown option --%s%s%s%s", wanted,
                     nearest.name ? "; did you mean --" : "", nearest.name ? nearest.name : "",
                     nearest.name ? "?" : "");
}

/* "-k5", "-jk 5". */
static enum status take_letters(struct parser *parser, const char *word)
{
    for (const char *letter = word + 1; *letter; letter++) {
        if (*letter == 'h') {
            parser->call->is_help = true;
            continue;
        }
        size_t count = option_count(parser->command), i = 0;
        while (i < count && parser->command->options[i].letter != *letter)
            i++;
        if (i == count)
            return error_set(parser->error, STATUS_BAD_REQUEST, "unknown option -%c", *letter);
        bool is_flag = parser->command->options[i].kind == COMMAND_FLAG;
        enum status status = take_option(parser, i, is_flag || !letter[1] ? NULL : letter + 1);
        if (status || !is_flag)
            return status;
    }
    return STATUS_OK;
}

static enum status check_arguments(const struct command *command, const struct command_call *call,
                                   struct error *error)
{
    size_t given = call->argument_count, index = 0;
    for (size_t i = 0; i < given; i++)
        if (call->arguments[i][0] == '\0')
            return error_set(error, STATUS_BAD_REQUEST, "argument %zu is empty", i + 1);
    for (const struct command_argument *argument = command->arguments; argument && argument->name;
         argument++, index++) {
        if (index >= given && !argument->is_optional)
            return error_set(error, STATUS_BAD_REQUEST, "%s is missing: %s", argument->name,
                             argument->help);
        if (argument->is_repeated)
            return STATUS_OK;
    }
    if (given > index)
        return error_set(error, STATUS_BAD_REQUEST, "one argument too many: \"%s\"",
                         call->arguments[index]);
    return STATUS_OK;
}

enum status command_parse(const struct command *command, int argc, char **argv,
                          struct command_call *ret_call, struct error *error)
{
    struct command_call call = {.command = command, .arguments = argv};
    struct parser parser = {command, &call, argc, 0, argv, error};
    enum status status = set_presets(&parser);
    bool is_open = true; /* no "--" yet */
    while (!status && parser.next < argc) {
        char *word = argv[parser.next++];
        if (is_open && strcmp(word, "--") == 0)
            is_open = false;
        else if (is_open && word[0] == '-' && word[1] == '-')
            status = take_long(&parser, word);
        else if (is_open && word[0] == '-' && word[1] != '\0')
            status = take_letters(&parser, word);
        else
            argv[call.argument_count++] = word; /* never beyond the word just taken */
    }
    if (!status && !call.is_help)
        status = check_arguments(command, &call, error);
    if (!status)
        *ret_call = call;
    return status;
}

/* Asking for an option that the command's table has not, or not with that kind, is a bug of the
 * command. */
static size_t find_option(const struct command_call *call, const char *name)
{
    size_t count = option_count(call->command), i = 0;
    while (i < count && strcmp(call->command->options[i].name, name) != 0)
        i++;
    assert(i < count);
    return i;
}

static const struct command_value *find_value(const struct command_call *call, const char *name,
                                              enum command_option_kind kind)
{
    size_t i = find_option(call, name);
    enum command_option_kind found = call->command->options[i].kind;
    assert(found == kind || (kind == COMMAND_TEXT && found == COMMAND_CHOICE));
    return &call->values[i];
}

bool command_is_given(const struct command_call *call, const char *name)
{
    return call->values[find_option(call, name)].is_given;
}

bool command_flag(const struct command_call *call, const char *name)
{
    return find_value(call, name, COMMAND_FLAG)->is_given;
}

const char *command_text(const struct command_call *call, const char *name)
{
    return find_value(call, name, COMMAND_TEXT)->text;
}

bool command_integer(const struct command_call *call, const char *name, int64_t *ret_value)
{
    const struct command_value *value = find_value(call, name, COMMAND_INTEGER);
    if (!value->text)
        return false;
    *ret_value = value->number;
    return true;
}

size_t command_list(const struct command_call *call, const char *name, const int64_t **ret_values)
{
    const struct command_value *value = find_value(call, name, COMMAND_LIST);
    *ret_values = value->list;
    return value->list_count;
}

size_t command_texts(const struct command_call *call, const char *name,
                     const char *const **ret_values)
{
    const struct command_value *value = find_value(call, name, COMMAND_TEXTS);
    *ret_values = value->texts;
    return value->list_count;
}

unsigned command_threads(const struct command_call *call)
{
    int64_t threads;
    return command_integer(call, "threads", &threads) ? (unsigned)threads : cpu_count_usable();
}

void command_complain(const struct command_call *call, const char *format, ...)
{
    char text[1024], shown[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    terminal_clean(text, shown, sizeof shown);
    /* One call, so that lines of several threads do not mix. */
    (void)fprintf(stderr, "classifyd%s%s: %s\n", call ? " " : "", call ? call->command->name : "",
                  shown);
}

bool command_flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

enum status command_print_json(struct json_doc *doc, struct error *error)
{
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a document");
    char *text;
    enum status status = json_doc_format(doc, false, &text, error);
    json_doc_destroy(doc);
    if (status)
        return status;
    puts(text);
    free(text);
    return STATUS_OK;
}
