#include "server/commands/command_man.h"

#include <ctype.h>
#include <string.h>

#include "server/commands/command_help.h"
#include "server/commands/command_table.h"

/* Text that no roff control or escape character can leave; a sentence a line is not asked of
 * generated pages. Paragraphs are parted by .Pp. */
static void print_text(FILE *stream, const char *text)
{
    bool is_line_start = true;
    for (; *text; text++) {
        if (strncmp(text, "\n\n", 2) == 0) {
            fputs("\n.Pp\n", stream);
            is_line_start = true;
            text++;
            continue;
        }
        if (is_line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stream);
        if (*text == '\\')
            fputs("\\e", stream);
        else if (*text == '-')
            fputs("\\-", stream);
        else
            fputc(*text, stream);
        /* A new line behind a sentence lets roff set the space between sentences. */
        if (*text == '.' && text[1] == ' ' && isupper((unsigned char)text[2])) {
            fputc('\n', stream);
            text++;
        }
    }
    fputc('\n', stream);
}

static void print_head(FILE *stream, const char *title, const char *name, const char *summary)
{
    char upper[64];
    size_t length = strnlen(title, sizeof upper - 1);
    for (size_t i = 0; i < length; i++)
        upper[i] = (char)toupper((unsigned char)title[i]);
    upper[length] = '\0';
    fprintf(stream, ".Dd %s\n.Dt %s 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", CLASSIFYD_RELEASED, upper,
            name);
    print_text(stream, summary);
}

static void print_synopsis_option(FILE *stream, const struct command_option *option)
{
    fprintf(stream, ".Op Fl \\-%s", option->name);
    if (option->value)
        fprintf(stream, " Ar %s", option->value);
    fputc('\n', stream);
}

static void print_synopsis(FILE *stream, const struct command *command)
{
    fprintf(stream, ".Sh SYNOPSIS\n.Nm classifyd %s\n", command->name);
    for (const struct command_option *option = command->options;
         option && option->kind != COMMAND_END; option++)
        print_synopsis_option(stream, option);
    for (const struct command_argument *argument = command->arguments; argument && argument->name;
         argument++)
        fprintf(stream, "%s %s%s\n", argument->is_optional ? ".Op Ar" : ".Ar", argument->name,
                argument->is_repeated ? " ..." : "");
}

static void print_option(FILE *stream, const struct command_option *option)
{
    fputs(".It ", stream);
    if (option->letter)
        fprintf(stream, "Fl %c , ", option->letter);
    fprintf(stream, "Fl \\-%s", option->name);
    if (option->value)
        fprintf(stream, " Ar %s", option->value);
    fputc('\n', stream);
    char text[512];
    command_help_option_text(option, text, sizeof text);
    print_text(stream, text);
}

static void print_lists(FILE *stream, const struct command *command)
{
    if (command->arguments) {
        fputs(".Pp\nThe arguments are:\n.Bl -tag -width Ds\n", stream);
        for (const struct command_argument *argument = command->arguments; argument->name;
             argument++) {
            fprintf(stream, ".It Ar %s\n", argument->name);
            print_text(stream, argument->help);
        }
        fputs(".El\n", stream);
    }
    fputs(".Pp\nThe options are:\n.Bl -tag -width Ds\n", stream);
    for (const struct command_option *option = command->options;
         option && option->kind != COMMAND_END; option++)
        print_option(stream, option);
    fputs(".It Fl h , Fl \\-help\nprint a summary of these\n.El\n", stream);
}

static void print_examples(FILE *stream, const struct command *command)
{
    if (!command->examples)
        return;
    fputs(".Sh EXAMPLES\n", stream);
    const char *between = "";
    for (const struct command_example *example = command->examples; example->line; example++) {
        fputs(between, stream);
        print_text(stream, example->help);
        fputs(".Bd -literal -offset indent\n", stream);
        print_text(stream, example->line);
        fputs(".Ed\n", stream);
        between = ".Pp\n";
    }
}

static void print_command(FILE *stream, const struct command *command)
{
    char title[64];
    (void)snprintf(title, sizeof title, "classifyd-%s", command->name);
    print_head(stream, title, title, command->summary);
    print_synopsis(stream, command);
    fputs(".Sh DESCRIPTION\n", stream);
    print_text(stream, command->description);
    print_lists(stream, command);
    fputs(".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\ndone\n.It 1\n", stream);
    print_text(stream, command->exit_failed);
    fputs(".It 2\na wrong option or argument; nothing was tried\n.El\n", stream);
    print_examples(stream, command);
    fputs(".Sh SEE ALSO\n.Xr classifyd 1\n", stream);
}

/* In the order of the alphabet, as is the custom. */
static void print_references(FILE *stream)
{
    const struct command *last = NULL;
    for (;;) {
        const struct command *next = NULL;
        for (const struct command *const *command = command_table; *command; command++)
            if ((!last || strcmp((*command)->name, last->name) > 0) &&
                (!next || strcmp((*command)->name, next->name) < 0))
                next = *command;
        if (!next)
            break;
        fprintf(stream, "%s.Xr classifyd-%s 1", last ? " ,\n" : "", next->name);
        last = next;
    }
    fputc('\n', stream);
}

static void print_all(FILE *stream)
{
    print_head(stream, "classifyd", "classifyd", command_help_summary);
    fputs(".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar option ...\n.Op Ar argument ...\n"
          ".Nm\n.Ar command\n.Fl \\-help\n.Nm\n.Fl \\-version\n.Sh DESCRIPTION\n",
          stream);
    print_text(stream, command_help_description);
    fputs(".Pp\nThe commands are:\n.Bl -tag -width Ds\n", stream);
    for (const struct command *const *command = command_table; *command; command++) {
        fprintf(stream, ".It Xr classifyd-%s 1\n", (*command)->name);
        print_text(stream, (*command)->summary);
    }
    fputs(".El\n.Sh ENVIRONMENT\n.Bl -tag -width Ds\n", stream);
    for (const struct command_variable *variable = command_variables; variable->name; variable++) {
        fprintf(stream, ".It Ev %s\n", variable->name);
        print_text(stream, variable->help);
    }
    fputs(".El\n.Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\ndone\n.It 1\n"
          "something that was asked for was not done\n.It 2\n"
          "a wrong option or argument; nothing was tried\n.El\n.Sh SEE ALSO\n",
          stream);
    print_references(stream);
}

void command_man_print(FILE *stream, const struct command *command)
{
    if (command)
        print_command(stream, command);
    else
        print_all(stream);
}
