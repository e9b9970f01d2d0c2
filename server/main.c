/* argv to subcommand, and what holds for all of them: the process's start and its last write. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/kernels/kernels.h"
#include "server/commands/command_help.h"
#include "server/commands/command_table.h"
#include "server/commands/version.h"

/* A closed descriptor 0, 1 or 2 would be taken by the next file that is opened, and then be written
 * to. Opened the wrong way round, so that using it still fails. */
static void reserve_standard_streams(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
            /* cppcheck-suppress leakReturnValNotUsed; it gets the number it was opened for */
            (void)!open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
}

/* What was printed must have arrived. A reader that has gone away (`| head`) ends us as it would
 * end any program; SIGPIPE is ignored until then, since a network peer that hangs up raises it too.
 */
static int finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    /* The write that failed may be long ago and its reason lost; one more byte meets it again. */
    errno = 0;
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    if (errno == EPIPE) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    command_complain(NULL, "standard output: %s", errno ? strerror(errno) : "write failed");
    return status == COMMAND_OK ? COMMAND_FAILED : status;
}

static int refuse_command(const char *name)
{
    const char *nearest = command_table_nearest(name);
    if (nearest)
        command_complain(NULL, "no command \"%s\"; did you mean %s?", name, nearest);
    else if (access(name, F_OK) == 0)
        command_complain(NULL, "no command \"%s\"; to classify that file: classifyd classify %s",
                         name, name);
    else
        command_complain(NULL, "no command \"%s\"; classifyd --help lists them", name);
    return COMMAND_USAGE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct command_call call;
    struct error error = {0};
    if (command_parse(command, argc, argv, &call, &error)) {
        call = (struct command_call){.command = command};
        command_complain(&call, "%s (classifyd %s --help)", error.text, command->name);
        return COMMAND_USAGE;
    }
    if (call.is_help) {
        command_help_print(stdout, command);
        return COMMAND_OK;
    }
    return command->run(&call);
}

static int run_first_word(int argc, char **argv)
{
    if (argc < 2) {
        command_help_print_all(stderr);
        return COMMAND_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        command_help_print_all(stdout);
        return COMMAND_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        version_print(stdout);
        return COMMAND_OK;
    }
    const struct command *command = command_table_find(word);
    return command ? run_command(command, argc - 2, argv + 2) : refuse_command(word);
}

int main(int argc, char **argv)
{
    kernels_prepare_process();
    reserve_standard_streams();
    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN); /* see finish_output */
    return finish_output(run_first_word(argc, argv));
}
