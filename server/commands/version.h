/* What --version prints: the program, and what would compute on this machine. */
#ifndef CLASSIFYD_SERVER_COMMANDS_VERSION_H
#define CLASSIFYD_SERVER_COMMANDS_VERSION_H

#include <stdio.h>

/* Prints every kernel set, best first (and opens what they need): the first that is there is what
 * "auto" takes. Never fails: a line says what is not there. */
void version_print(FILE *stream);

#endif
