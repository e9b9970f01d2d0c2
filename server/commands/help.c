/* classifyd help: the tables, as text, man page or completion. */
#include <stdio.h>
#include <string.h>

#include "server/commands/command_completion.h"
#include "server/commands/command_help.h"
#include "server/commands/command_man.h"
#include "server/commands/command_table.h"

static const char *const formats[] = {"text", "man", "bash", NULL};

static int run(const struct command_call *call)
{
    const char *format = command_text(call, "format");
    const struct command *command = NULL;
    if (call->argument_count > 0) {
        const char *name = call->arguments[0];
        command = command_table_find(name);
        const char *nearest = command_table_nearest(name);
        if (!command) {
            command_complain(call, "no command \"%s\"%s%s%s", name,
                             nearest ? "; did you mean " : "", nearest ? nearest : "",
                             nearest ? "?" : "; see: classifyd help");
            return COMMAND_USAGE;
        }
    }
    if (strcmp(format, "man") == 0)
        command_man_print(stdout, command);
    else if (strcmp(format, "bash") == 0)
        command_completion_print(stdout);
    else if (command)
        command_help_print(stdout, command);
    else
        command_help_print_all(stdout);
    return COMMAND_OK;
}

const struct command help_command = {
    .name = "help",
    .summary = "print the help of a command, a man page or the completion for bash",
    .description = "Prints what a command does and takes; without one, the list of commands. The "
                   "man pages and the completion for bash are made from the same tables.",
    .arguments =
        (const struct command_argument[]){
            {"COMMAND", "the command to explain", COMMAND_HINT_NONE, .is_optional = true},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            {COMMAND_CHOICE, "format", 'f', COMMAND_HINT_NONE, .value = "FORMAT", .preset = "text",
             .choices = formats, .help = "what to print"},
            COMMAND_OPTION_END,
        },
    .exit_failed = "the help could not be written",
    .examples =
        (const struct command_example[]){
            {"classifyd help classify", "What classify takes"},
            {"source <(classifyd help --format bash)", "Completion in this shell"},
            {NULL, NULL},
        },
    .run = run,
};
