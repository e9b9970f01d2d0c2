#include "server/commands/version.h"

#include <sys/resource.h>

#include "model/kernels/cpu.h"
#include "model/kernels/kernels.h"
#include "server/commands/progress.h"
#include "server/config/cpu_count.h"

static void print_locked_memory(FILE *stream)
{
    struct rlimit limit;
    char text[32] = "unknown";
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        (void)snprintf(text, sizeof text, "unlimited");
    else if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        progress_format_bytes(limit.rlim_cur, text, sizeof text);
    fprintf(stream, "locked memory  %s at most, more with CAP_IPC_LOCK\n", text);
}

static void print_kernels(FILE *stream, const char *name)
{
    const struct kernel_set *set;
    struct error error = {0};
    if (kernels_choose(name, &set, &error) == STATUS_OK)
        fprintf(stream, "kernels        %s: %s\n", name, kernels_description(set));
    else
        fprintf(stream, "               %s: not here: %s\n", name, error.text);
}

void version_print(FILE *stream)
{
    char cpu[128];
    cpu_name(cpu, sizeof cpu);
    fprintf(stream, "classifyd %s\n", CLASSIFYD_VERSION);
    for (size_t i = 0; kernels_name(i); i++)
        print_kernels(stream, kernels_name(i));
    fprintf(stream, "cpu            %s\n", cpu);
    fprintf(stream, "threads        %u\n", cpu_count_usable());
    print_locked_memory(stream);
}
