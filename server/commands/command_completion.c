#include "server/commands/command_completion.h"

#include "server/commands/command_table.h"

/* bash parts words at ":" and "=", which stand in resnet50:V1 and --model=resnet50. So the word is
 * read off the line itself, and what readline holds for finished is cut off the offers. */
static const char preamble[] =
    "# bash completion for classifyd\n"
    "\n"
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
    "    local line=${COMP_LINE:0:COMP_POINT} word option typed before i\n"
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
        fputs("compopt +o default\n        ", stream);
    }
    fputs("return\n        ;;\n", stream);
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
    enum command_hint hint = command->arguments ? command->arguments->hint : COMMAND_HINT_NONE;
    if (command == &help_command)
        fputs("        else\n            _classifyd_offer \"$word\" \"$word\" \"$commands\"\n",
              stream);
    else if (hint == COMMAND_HINT_MODEL)
        fputs("        else\n            _classifyd_offer \"$word\" \"$word\" "
              "\"$(\"${words[0]}\" models --names 2>/dev/null)\"\n",
              stream);
    fputs("        fi\n        ;;\n", stream);
}

void command_completion_print(FILE *stream)
{
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
