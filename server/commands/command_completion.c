#include "server/commands/command_completion.h"

#include "server/commands/command_table.h"

/* How many of a command's own arguments stand before the word: options and their values do not
 * count. $1 holds the options that take one. */
static const char counting[] = "_classifyd_arguments()\n"
                               "{\n"
                               "    local i count=0\n"
                               "    for ((i = 2; i < ${#words[@]} - 1; i++)); do\n"
                               "        if [[ \" $1 \" == *\" ${words[i]} \"* ]]; then\n"
                               "            ((++i))\n"
                               "        elif [[ ${words[i]} != -?* ]]; then\n"
                               "            ((++count))\n"
                               "        fi\n"
                               "    done\n"
                               "    echo $count\n"
                               "}\n"
                               "\n";

/* bash parts words at ":" and "=", which stand in resnet50:V1 and --model=resnet50. So the word is
 * read off the line itself, and what readline holds for finished is cut off the offers. */
static const char preamble[] =
    "_classifyd_offer()\n"
    "{\n"
    "    local typed=$1 done=${2%\"${2##*[=:]}\"}\n"
    "    COMPREPLY=($(compgen -W \"$3\" -- \"$typed\"))\n"
    "    done=${done#\"${2%\"$typed\"}\"}\n"
    "    COMPREPLY=(\"${COMPREPLY[@]#\"$done\"}\")\n"
    "    [[ ${#COMPREPLY[@]} -ne 1 || -n ${COMPREPLY[0]} ]] || COMPREPLY=()\n"
    "}\n"
    "\n"
    "_classifyd()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} word option typed before\n"
    "    local -a words\n"
    "    COMPREPLY=()\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
    "    word=${words[-1]} before=${words[-2]} typed=$word option=$before\n"
    "    if [[ $word == --*=* ]]; then\n"
    "        option=${word%%=*} typed=${word#*=}\n"
    "    fi\n";

static void print_words(FILE *stream, const char *const *words)
{
    for (; *words; words++)
        fprintf(stream, "%s%s", *words, words[1] ? " " : "");
}

/* The branch of one option's value. */
static void print_value(FILE *stream, const struct command *command,
                        const struct command_option *option)
{
    if (option->kind == COMMAND_FLAG)
        return;
    fprintf(stream, "    %s:--%s", command->name, option->name);
    if (option->letter)
        fprintf(stream, " | %s:-%c", command->name, option->letter);
    fputs(")\n        ", stream);
    if (option->choices) {
        fputs("_classifyd_offer \"$typed\" \"$word\" \"", stream);
        print_words(stream, option->choices);
        fputs("\"\n        ", stream);
    } else if (option->hint == COMMAND_HINT_MODEL) {
        fputs("_classifyd_offer \"$typed\" \"$word\" "
              "\"$(\"${words[0]}\" models --names 2>/dev/null)\"\n        ",
              stream);
    } else if (option->hint == COMMAND_HINT_FOLDER) {
        fputs("compopt -o dirnames\n        ", stream);
    } else if (option->hint == COMMAND_HINT_NONE) {
        fputs("compopt +o default +o bashdefault\n        ", stream);
    }
    fputs("return\n        ;;\n", stream);
}

/* The options that take the next word, with both of their names. */
static void print_value_options(FILE *stream, const struct command *command)
{
    for (const struct command_option *option = command->options;
         option && option->kind != COMMAND_END; option++) {
        if (option->kind == COMMAND_FLAG)
            continue;
        fprintf(stream, " --%s", option->name);
        if (option->letter)
            fprintf(stream, " -%c", option->letter);
    }
}

/* What is offered in the place of a command's arguments; files are left to the shell. */
static void print_arguments(FILE *stream, const struct command *command)
{
    fputs("        else\n            case $(_classifyd_arguments \"", stream);
    print_value_options(stream, command);
    fputs("\") in\n", stream);
    size_t place = 0;
    for (const struct command_argument *argument = command->arguments; argument && argument->name;
         argument++, place++) {
        fprintf(stream, argument->is_repeated ? "            *)" : "            %zu)", place);
        if (command == &help_command)
            fputs(" _classifyd_offer \"$word\" \"$word\" \"$commands\"", stream);
        else if (argument->hint == COMMAND_HINT_MODEL)
            fputs(" _classifyd_offer \"$word\" \"$word\" "
                  "\"$(\"${words[0]}\" models --names 2>/dev/null)\"",
                  stream);
        fputs(" ;;\n", stream);
    }
    fputs("            esac\n", stream);
}

/* The branch of one command's own words: options behind a dash, else its arguments. */
static void print_command(FILE *stream, const struct command *command)
{
    fprintf(stream,
            "    %s)\n        if [[ $word == -* ]]; then\n            "
            "_classifyd_offer \"$word\" \"$word\" \"",
            command->name);
    for (const struct command_option *option = command->options;
         option && option->kind != COMMAND_END; option++)
        fprintf(stream, "--%s ", option->name);
    fputs("--help\"\n", stream);
    if (command->arguments)
        print_arguments(stream, command);
    else
        fputs("        else\n            compopt +o default +o bashdefault\n", stream);
    fputs("        fi\n        ;;\n", stream);
}

void command_completion_print(FILE *stream)
{
    fputs("# bash completion for classifyd\n\n", stream);
    fputs(counting, stream);
    fputs(preamble, stream);
    fputs("    local commands=\"", stream);
    for (const struct command *const *command = command_table; *command; command++)
        fprintf(stream, "%s%s", (*command)->name, command[1] ? " " : "");
    fputs("\"\n    if [[ ${#words[@]} -le 2 ]]; then\n"
          "        _classifyd_offer \"$word\" \"$word\" \"$commands --help --version\"\n"
          "        return\n    fi\n    case ${words[1]}:$option in\n",
          stream);
    for (const struct command *const *command = command_table; *command; command++)
        for (const struct command_option *option = (*command)->options;
             option && option->kind != COMMAND_END; option++)
            print_value(stream, *command, option);
    fputs("    esac\n    case ${words[1]} in\n", stream);
    for (const struct command *const *command = command_table; *command; command++)
        print_command(stream, *command);
    fputs("    esac\n}\n\ncomplete -o default -o bashdefault -F _classifyd classifyd\n", stream);
}
