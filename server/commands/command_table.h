/* Every subcommand of classifyd, in the order of the help. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_TABLE_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_TABLE_H

#include "server/commands/command.h"

/* One file a command: server/commands/<name>.c. */
extern const struct command quantize_command;
extern const struct command bench_command;
extern const struct command classify_command;
extern const struct command eval_command;
extern const struct command help_command;
extern const struct command inspect_command;
extern const struct command models_command;
extern const struct command pull_command;
extern const struct command serve_command;

extern const struct command *const command_table[]; /* NULL-ended */

/* NULL where there is none of that name. */
const struct command *command_table_find(const char *name);

/* The name of the command that `name` was probably meant to be; NULL: none comes near. */
const char *command_table_nearest(const char *name);

#endif
