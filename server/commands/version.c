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

void version_print(FILE *stream)
{
    char cpu[128];
    const struct kernel_set *set;
    struct error error = {0};
    cpu_name(cpu, sizeof cpu);
    fprintf(stream, "classifyd %s\n", CLASSIFYD_VERSION);
    if (kernels_choose("auto", &set, &error) == STATUS_OK)
        fprintf(stream, "kernels        %s: %s\n", set->name, kernels_description(set));
    else
        fprintf(stream, "kernels        none: %s\n", error.text);
    fprintf(stream, "cpu            %s\n", cpu);
    fprintf(stream, "threads        %u\n", cpu_count_usable());
    print_locked_memory(stream);
}
