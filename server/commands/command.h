/* A subcommand of classifyd, and the table that its --help, man page and shell completion are made
 * from.
 *
 * A command is data: what it is called, takes and promises, and one function. Its options are
 * parsed from the table before that function runs, which then asks for them by name; a wrong option
 * never reaches it. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"
#include "server/commands/command_option.h"

/* Exit statuses, the same for every command. */
enum command_exit {
    COMMAND_OK = 0,
    COMMAND_FAILED =
        1, /* something asked for was not done: an image without an answer, a failed pull */
    COMMAND_USAGE = 2, /* a wrong option or argument; nothing was tried */
};

enum { COMMAND_MAX_OPTIONS = 16, COMMAND_MAX_LIST = 32 };

/* A positional argument. Only the last of a command may repeat. */
struct command_argument {
    const char *name; /* "FILE"; NULL closes a table */
    const char *help;
    enum command_hint hint;
    bool is_optional, is_repeated;
};

struct command_example {
    const char *line; /* NULL closes a table */
    const char *help;
};

/* An environment variable that is read. */
struct command_variable {
    const char *name; /* NULL closes the table */
    const char *help;
};
extern const struct command_variable command_variables[];

struct command_call;

struct command {
    const char *name;
    const char *summary;     /* a phrase in lower case: the NAME line of the man page */
    const char *description; /* paragraphs, parted by an empty line */
    const struct command_argument *arguments; /* NULL: none */
    const struct command_option *options;     /* NULL: none; --help is everyone's */
    const char *exit_failed;                  /* when it ends with 1, as a phrase */
    const struct command_example *examples;   /* NULL: none */

    /* Returns an enum command_exit. Prints its results with stdio; write errors on standard output
     * are noticed and reported by the caller. */
    int (*run)(const struct command_call *call);
};

struct command_value {
    bool is_given;
    const char *text;  /* as given, or the preset; NULL: neither */
    int64_t number;    /* COMMAND_INTEGER */
    size_t list_count; /* COMMAND_LIST, COMMAND_TEXTS */
    int64_t list[COMMAND_MAX_LIST];
    const char *texts[COMMAND_MAX_LIST]; /* COMMAND_TEXTS, in order */
};

/* One use of a command: its options read, its arguments in order. Strings are argv's. */
struct command_call {
    const struct command *command;
    struct command_value values[COMMAND_MAX_OPTIONS]; /* beside command->options */
    bool is_help;                                     /* --help was asked for */
    size_t argument_count;
    char **arguments;
};

/* Reads `argv`, the words behind the command's name, and reorders them: options anywhere,
 * "--opt=value", "--opt value", "-k5", "-jk 5"; "--" ends them. The last of a repeated option
 * counts, but of COMMAND_TEXTS all. Fails with STATUS_BAD_REQUEST: one sentence that names the word
 * and, for a wrong name, the nearest right one. With --help the arguments are not checked. */
MUST_CHECK enum status command_parse(const struct command *command, int argc, char **argv,
                                     struct command_call *ret_call, struct error *error);

/* The values of the option of that name, which must be in the command's table with that kind. NULL,
 * false and 0 where it was not given and has no preset. */
bool command_flag(const struct command_call *call, const char *name);
const char *command_text(const struct command_call *call, const char *name); /* choices too */
bool command_integer(const struct command_call *call, const char *name, int64_t *ret_value);
size_t command_list(const struct command_call *call, const char *name, const int64_t **ret_values);
size_t command_texts(const struct command_call *call, const char *name,
                     const char *const **ret_values);

/* Whether the option was given, by a value of its own and not by its preset. */
bool command_is_given(const struct command_call *call, const char *name);

/* --threads, or the CPUs that this process may use. */
unsigned command_threads(const struct command_call *call);

/* One line on standard error: "classifyd classify: ...", or "classifyd: ..." without a call.
 * Control characters are shown as "?", for the text may hold a file's name. Any thread. */
void command_complain(const struct command_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints a finished document as one line, and destroys it, whatever happens. `doc` NULL: there was
 * no memory for one. Fails with STATUS_NO_MEMORY, STATUS_INTERNAL. */
struct json_doc;
MUST_CHECK enum status command_print_json(struct json_doc *doc, struct error *error);

/* Writes out what was printed. False where standard output is gone (a full disk, a reader that went
 * away): a command with more to print stops then; main says why. */
MUST_CHECK bool command_flush(void);

#endif
