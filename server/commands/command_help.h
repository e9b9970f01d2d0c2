/* What --help prints, made from a command's table. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_HELP_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_HELP_H

#include <stdio.h>

#include "server/commands/command.h"

/* What classifyd is, in one phrase and in a paragraph. */
extern const char command_help_summary[], command_help_description[];

/* One command, or the list of them all. */
void command_help_print(FILE *stream, const struct command *command);
void command_help_print_all(FILE *stream);

/* "--top-k N" or "--json", for `option`; "-k" before it where it has a letter. */
void command_help_option_words(const struct command_option *option, char *ret_text, size_t size);

/* " FILE...", " [COMMAND]": the arguments as they stand in a usage line. */
void command_help_argument_words(const struct command *command, char *ret_text, size_t size);

/* The phrase of an option with its default and its choices. */
void command_help_option_text(const struct command_option *option, char *ret_text, size_t size);

#endif
