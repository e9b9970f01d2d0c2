#include "server/commands/command_help.h"

#include <string.h>

#include "server/commands/command_table.h"

enum { WIDTH = 80, INDENT = 2, TERM_COLUMN = 28 };

const char command_help_summary[] = "ImageNet classes for images, as torchvision sees them";

const char command_help_description[] =
    "classifyd classifies images with torchvision's ResNet, ResNeXt and WideResNet networks on the "
    "CPU: an image goes in, the most probable of the model's classes come out. A small demo model "
    "is built in, so that it answers from the first minute.";

/* Appends; the text is cut where it does not fit. */
static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%s", more);
}

void command_help_option_words(const struct command_option *option, char *ret_text, size_t size)
{
    if (option->letter)
        (void)snprintf(ret_text, size, "-%c, --%s", option->letter, option->name);
    else
        (void)snprintf(ret_text, size, "    --%s", option->name);
    if (option->value) {
        append(ret_text, size, " ");
        append(ret_text, size, option->value);
    }
}

void command_help_argument_words(const struct command *command, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    for (const struct command_argument *argument = command->arguments; argument && argument->name;
         argument++) {
        append(ret_text, size, argument->is_optional ? " [" : " ");
        append(ret_text, size, argument->name);
        append(ret_text, size, argument->is_repeated ? "..." : "");
        append(ret_text, size, argument->is_optional ? "]" : "");
    }
}

void command_help_option_text(const struct command_option *option, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "%s", option->help);
    const char *before = ": ";
    for (const char *const *choice = option->choices; choice && *choice; choice++) {
        append(ret_text, size, before);
        append(ret_text, size, *choice);
        before = ", ";
    }
    if (option->preset) {
        append(ret_text, size, " (default: ");
        append(ret_text, size, option->preset);
        append(ret_text, size, ")");
    }
}

/* Words of `text` up to WIDTH columns; lines after the first begin at `indent`. The cursor stands
 * at `column`. "\n\n" parts paragraphs. */
static void print_wrapped(FILE *stream, const char *text, int indent, int column)
{
    bool is_line_start = true;
    while (*text) {
        int length = (int)strcspn(text, " \n");
        if (!is_line_start && column + 1 + length > WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
            is_line_start = true;
        }
        fprintf(stream, "%s%.*s", is_line_start ? "" : " ", length, text);
        column += length + !is_line_start;
        is_line_start = false;
        text += length;
        if (strncmp(text, "\n\n", 2) == 0) {
            fprintf(stream, "\n\n%*s", indent, "");
            column = indent;
            is_line_start = true;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', stream);
}

/* "  term      text", the text wrapped in its column; on the next line behind a long term. */
static void print_item(FILE *stream, const char *term, const char *text)
{
    int column = fprintf(stream, "%*s%s", INDENT, "", term);
    if (column + 2 > TERM_COLUMN) {
        fputc('\n', stream);
        column = 0;
    }
    fprintf(stream, "%*s", TERM_COLUMN - column, "");
    print_wrapped(stream, text, TERM_COLUMN, TERM_COLUMN);
}

static void print_arguments(FILE *stream, const struct command *command)
{
    if (!command->arguments)
        return;
    fputs("\nArguments:\n", stream);
    for (const struct command_argument *argument = command->arguments; argument->name; argument++) {
        char term[64];
        (void)snprintf(term, sizeof term, "%s%s", argument->name,
                       argument->is_repeated ? "..." : "");
        print_item(stream, term, argument->help);
    }
}

static void print_options(FILE *stream, const struct command *command)
{
    fputs("\nOptions:\n", stream);
    for (const struct command_option *option = command->options;
         option && option->kind != COMMAND_END; option++) {
        char term[128], text[512];
        command_help_option_words(option, term, sizeof term);
        command_help_option_text(option, text, sizeof text);
        print_item(stream, term, text);
    }
    print_item(stream, "-h, --help", "print this help");
}

static void print_examples(FILE *stream, const struct command *command)
{
    if (!command->examples)
        return;
    fputs("\nExamples:\n", stream);
    for (const struct command_example *example = command->examples; example->line; example++)
        fprintf(stream, "%*s%s\n%*s%s\n", INDENT, "", example->line, 3 * INDENT, "", example->help);
}

void command_help_print(FILE *stream, const struct command *command)
{
    char words[128];
    command_help_argument_words(command, words, sizeof words);
    fprintf(stream, "Usage: classifyd %s%s%s\n\n", command->name,
            command->options ? " [OPTION]..." : "", words);
    print_wrapped(stream, command->description, 0, 0);
    print_arguments(stream, command);
    print_options(stream, command);
    fputs("\nExit status:\n  0  done\n  1  ", stream);
    print_wrapped(stream, command->exit_failed, 5, 5);
    fputs("  2  a wrong option or argument; nothing was tried\n", stream);
    print_examples(stream, command);
}

void command_help_print_all(FILE *stream)
{
    fputs("Usage: classifyd COMMAND [OPTION]... [ARGUMENT]...\n"
          "       classifyd COMMAND --help\n"
          "       classifyd --version\n\n",
          stream);
    print_wrapped(stream, command_help_description, 0, 0);
    fputs("\nCommands:\n", stream);
    for (const struct command *const *command = command_table; *command; command++)
        print_item(stream, (*command)->name, (*command)->summary);
}
