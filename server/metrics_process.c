#include "server/metrics_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { US_PER_S = 1000000 };

/* The first bytes of a file, as text. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The number at the beginning of `text`, which the kernel wrote. */
static int64_t read_number(const char *text)
{
    return strtoimax(text, NULL, 10);
}

/* When the machine started, in seconds since 1970. /proc/stat is too long for one read: a line a
 * CPU comes first. */
static int64_t read_boot_time_s(void)
{
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return -1;
    char line[256];
    int64_t boot_time_s = -1;
    while (boot_time_s < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, "btime ", 6))
            boot_time_s = read_number(line + 6);
    fclose(file);
    return boot_time_s;
}

/* See proc_pid_stat(5); fields count from 1, and the second is the program's name in parentheses,
 * which may hold anything. */
static void read_stat(struct metrics_process *process)
{
    char text[1024];
    if (!read_text("/proc/self/stat", text, sizeof text))
        return;
    enum { THREADS = 20, START_TICKS = 22, VIRTUAL_BYTES = 23, RESIDENT_PAGES = 24 };
    int64_t numbers[RESIDENT_PAGES + 1] = {0};
    const char *field = strrchr(text, ')');
    for (int i = 3; field && i <= RESIDENT_PAGES; i++) {
        field = strchr(field, ' ');
        if (field)
            numbers[i] = read_number(++field);
    }
    if (!field)
        return;
    process->threads = numbers[THREADS];
    process->virtual_bytes = numbers[VIRTUAL_BYTES];
    process->resident_bytes = numbers[RESIDENT_PAGES] * sysconf(_SC_PAGESIZE);
    int64_t boot_time_s = read_boot_time_s(), ticks_per_s = sysconf(_SC_CLK_TCK);
    if (boot_time_s >= 0 && ticks_per_s > 0)
        process->start_time_us =
            boot_time_s * US_PER_S + numbers[START_TICKS] * US_PER_S / ticks_per_s;
}

static int64_t count_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return -1;
    int64_t count = 0;
    /* cppcheck-suppress readdirCalled; of a folder that no other thread reads it is safe */
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; /* the folder's own */
}

void metrics_process_read(struct metrics_process *ret_process)
{
    *ret_process = (struct metrics_process){-1, -1, -1, -1, -1, -1, -1};
    read_stat(ret_process);
    ret_process->open_fds = count_open_fds();
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur <= INT64_MAX)
        ret_process->max_fds = (int64_t)limit.rlim_cur;
    struct timespec cpu;
    if (!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu))
        ret_process->cpu_us = (int64_t)cpu.tv_sec * US_PER_S + cpu.tv_nsec / 1000;
}
