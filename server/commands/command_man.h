/* Man pages (mdoc) made from the commands' tables. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_MAN_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_MAN_H

#include <stdio.h>

#include "server/commands/command.h"

/* classifyd-<command>.1, and classifyd.1 for NULL. */
void command_man_print(FILE *stream, const struct command *command);

#endif
