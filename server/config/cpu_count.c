#include "server/config/cpu_count.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096, MAX_LINE = 8192, MAX_CPUS = 1 << 16 };

/* One of the two kinds of hierarchy: where it is mounted, and our place in it. */
struct hierarchy {
    bool is_version_2;
    char group[MAX_PATH];      /* our group, from /proc/self/cgroup */
    char mount_root[MAX_PATH]; /* the group that is seen at the mount point */
    char mount_point[MAX_PATH];
};

/* The value of a one-line file, false where it cannot be read. */
static bool read_line(const char *root, const char *folder, const char *name, char *ret_line,
                      int size)
{
    char path[2 * MAX_PATH + 64];
    int length = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool is_read = fgets(ret_line, size, file) != NULL;
    (void)fclose(file);
    return is_read;
}

/* Whether `name` is one of the words of `list`, parted by commas. */
static bool has_word(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at;) {
        size_t word = strcspn(at, ",\n");
        if (word == length && strncmp(at, name, length) == 0)
            return true;
        at += word + (at[word] != '\0');
    }
    return false;
}

/* "0::/group" is version 2; "4:cpu,cpuacct:/group" version 1. */
static bool find_group(const char *root, struct hierarchy *hierarchy)
{
    char path[MAX_PATH];
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[MAX_LINE];
    bool is_found = false;
    while (!is_found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'),
             *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        is_found = hierarchy->is_version_2 ? *controllers == '\0' : has_word(controllers, "cpu");
        if (is_found)
            (void)snprintf(hierarchy->group, sizeof hierarchy->group, "%.*s", MAX_PATH - 1, group);
    }
    (void)fclose(file);
    return is_found;
}

/* "36 35 0:30 ROOT POINT opts ... - TYPE source superopts" (proc(5)). */
static bool find_mount(const char *root, struct hierarchy *hierarchy)
{
    char path[MAX_PATH];
    (void)snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[MAX_LINE];
    bool is_found = false;
    while (!is_found && fgets(line, sizeof line, file)) {
        char type[32], options[1024];
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(tail, " - %31s %*s %1023s", type, options) != 2)
            continue;
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", hierarchy->mount_root,
                   hierarchy->mount_point) != 2)
            continue;
        is_found = hierarchy->is_version_2
                       ? strcmp(type, "cgroup2") == 0
                       : strcmp(type, "cgroup") == 0 && has_word(options, "cpu");
    }
    (void)fclose(file);
    return is_found;
}

/* Reads the number that `*text` begins with, behind spaces, and steps over it. False where there is
 * none ("max", "-1") or it does not fit. */
static bool take_number(const char **text, uint64_t *ret_number)
{
    const char *begin = *text + strspn(*text, " ");
    if (*begin < '0' || *begin > '9')
        return false;
    char *end;
    errno = 0;
    uint64_t number = strtoull(begin, &end, 10);
    if (errno != 0)
        return false;
    *text = end;
    *ret_number = number;
    return true;
}

/* One group's quota, as a fraction of a CPU in thousandths. */
static bool read_quota(const char *root, const char *folder, bool is_version_2,
                       uint64_t *ret_thousandths)
{
    char line[128];
    const char *at = line;
    uint64_t quota_us, period_us;
    if (!read_line(root, folder, is_version_2 ? "cpu.max" : "cpu.cfs_quota_us", line,
                   sizeof line) ||
        !take_number(&at, &quota_us))
        return false; /* "max 100000" and -1: no quota */
    if (!is_version_2) {
        at = line;
        if (!read_line(root, folder, "cpu.cfs_period_us", line, sizeof line))
            return false;
    }
    if (!take_number(&at, &period_us) || quota_us == 0 || period_us == 0 ||
        quota_us > UINT64_MAX / 1000)
        return false;
    *ret_thousandths = quota_us * 1000 / period_us;
    return true;
}

/* The smallest quota from our group up to the mount point. */
static bool read_hierarchy(const char *root, bool is_version_2, uint64_t *least)
{
    struct hierarchy hierarchy = {.is_version_2 = is_version_2};
    if (!find_group(root, &hierarchy) || !find_mount(root, &hierarchy))
        return false;
    /* A container often sees its own group mounted as the top: what is above is out of sight. */
    const char *below = hierarchy.group;
    size_t length = strcmp(hierarchy.mount_root, "/") == 0 ? 0 : strlen(hierarchy.mount_root);
    bool is_inside = strncmp(below, hierarchy.mount_root, length) == 0 &&
                     (below[length] == '/' || below[length] == '\0');
    below = is_inside ? below + length : "";

    char folder[2 * MAX_PATH];
    (void)snprintf(folder, sizeof folder, "%s%s", hierarchy.mount_point, below);
    size_t top = strlen(hierarchy.mount_point);
    bool is_set = false;
    for (;;) {
        uint64_t thousandths;
        if (read_quota(root, folder, is_version_2, &thousandths)) {
            *least = thousandths < *least ? thousandths : *least;
            is_set = true;
        }
        char *slash = strrchr(folder, '/');
        if (!slash || slash < folder + top)
            return is_set;
        *slash = '\0';
    }
}

bool cpu_count_quota(const char *root, uint64_t *ret_thousandths)
{
    uint64_t least = UINT64_MAX;
    bool has_version_2 = read_hierarchy(root, true, &least);
    bool has_version_1 = read_hierarchy(root, false, &least);
    if (!has_version_2 && !has_version_1)
        return false;
    *ret_thousandths = least;
    return true;
}

/* CPUs in the affinity mask; the mask's size is the kernel's affair, so it is tried. */
static unsigned count_affinity(void)
{
    for (size_t cpus = 1024; cpus <= MAX_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set)
            return 1;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count;
    }
    return 1;
}

unsigned cpu_count_usable(void)
{
    unsigned count = count_affinity();
    uint64_t thousandths;
    if (cpu_count_quota("", &thousandths) && thousandths / 1000 < count)
        count = (unsigned)(thousandths / 1000);
    return count > 0 ? count : 1;
}
