/* A subcommand of classifyd, and the table that its --help, man page and shell completion are made
 * from. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses, the same for every command. */
enum command_exit {
    COMMAND_OK = 0,
    COMMAND_FAILED =
        1, /* something asked for was not done: an image without an answer, a failed pull */
    COMMAND_USAGE = 2, /* a wrong option or argument; nothing was tried */
};

#endif
