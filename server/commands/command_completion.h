/* Completion for bash, made from the commands' tables. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_COMPLETION_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_COMPLETION_H

#include <stdio.h>

/* A script to be sourced; needs bash 4 and nothing else. */
void command_completion_print(FILE *stream);

#endif
