#include "server/commands/command_table.h"

#include <string.h>

#include "model/base/nearest.h"

const struct command *const command_table[] = {
    &serve_command, &classify_command, &pull_command,  &models_command, &inspect_command,
    &eval_command,  &quantize_command, &bench_command, &help_command,   NULL,
};

const struct command *command_table_find(const char *name)
{
    for (const struct command *const *command = command_table; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

const char *command_table_nearest(const char *name)
{
    struct nearest nearest = {.wanted = name};
    for (const struct command *const *command = command_table; *command; command++)
        nearest_offer(&nearest, (*command)->name);
    return nearest.name;
}
