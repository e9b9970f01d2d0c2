#include "model/base/numa.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

/* A list of CPUs that alternate between two nodes takes five bytes for each. */
enum { MAX_PATH = 4096, MAX_LINE = 5 * NUMA_MAX_CPUS / 2 };

static bool has(const struct numa_cpus *cpus, size_t cpu)
{
    return CPU_ISSET_S(cpu, sizeof *cpus, cpus->sets);
}

/* The first line that begins with `key`: what follows that, up to the newline. NULL where there is
 * none. */
static const char *read_line(const char *root, const char *path, const char *key,
                             char line[MAX_LINE])
{
    char full[MAX_PATH];
    int length = snprintf(full, sizeof full, "%s%s", root, path);
    FILE *file = length > 0 && (size_t)length < sizeof full ? fopen(full, "re") : NULL;
    if (!file)
        return NULL;
    const char *found = NULL;
    while (!found && fgets(line, MAX_LINE, file) && strchr(line, '\n'))
        if (strncmp(line, key, strlen(key)) == 0)
            found = line + strlen(key);
    (void)fclose(file);
    return found;
}

/* Reads the number at `*text` and steps over it. */
static bool take_number(const char **text, size_t *ret_number)
{
    if (**text < '0' || **text > '9')
        return false;
    char *end;
    unsigned long number = strtoul(*text, &end, 10);
    if (number >= NUMA_MAX_CPUS)
        return false;
    *text = end;
    *ret_number = number;
    return true;
}

/* "0-3,8-11": the kernel's way to write a set; nothing is the empty one. */
static bool read_list(const char *root, const char *path, const char *key,
                      struct numa_cpus *ret_list)
{
    struct numa_cpus list = {0};
    char line[MAX_LINE];
    const char *at = read_line(root, path, key, line);
    if (!at)
        return false;
    at += strspn(at, " \t");
    while (*at != '\n') {
        size_t first, last;
        if (!take_number(&at, &first))
            return false;
        last = first;
        if (*at == '-') {
            at++;
            if (!take_number(&at, &last) || last < first)
                return false;
        }
        for (size_t i = first; i <= last; i++)
            CPU_SET_S(i, sizeof list, list.sets);
        if (*at == ',' && at[1] != '\n')
            at++;
        else if (*at != '\n')
            return false;
    }
    *ret_list = list;
    return true;
}

static unsigned count_cpus(const struct numa_cpus *cpus)
{
    return (unsigned)CPU_COUNT_S(sizeof *cpus, cpus->sets);
}

/* Fills the topology's nodes, of which there are as many as are online. False where NUMA is to play
 * no part. */
static bool read_nodes(const char *root, const struct numa_cpus *allowed,
                       const struct numa_cpus *online, struct numa_topology *topology)
{
    struct numa_cpus memory;
    unsigned cpus = 0;
    if (!read_list(root, "/proc/self/status", "Mems_allowed_list:", &memory))
        return false;
    for (unsigned number = 0; number < NUMA_MAX_CPUS; number++) {
        if (!has(online, number))
            continue;
        struct numa_node *node = &topology->nodes[topology->node_count];
        char path[64];
        (void)snprintf(path, sizeof path, "/sys/devices/system/node/node%u/cpulist", number);
        if (!read_list(root, path, "", &node->cpus))
            return false;
        CPU_AND_S(sizeof *allowed, node->cpus.sets, node->cpus.sets, allowed->sets);
        node->number = number;
        node->cpu_count = count_cpus(&node->cpus);
        if (node->cpu_count == 0) /* memory alone: CXL, HBM; or CPUs that others have */
            continue;
        if (!has(&memory, number))
            return false;
        cpus += node->cpu_count;
        topology->node_count++;
    }
    return topology->node_count > 1 && cpus == count_cpus(allowed);
}

enum status numa_topology_init(const char *root, const struct numa_cpus *allowed,
                               struct numa_topology *ret_topology, struct error *error)
{
    struct numa_topology topology = {0};
    struct numa_cpus online, own;
    if (!allowed)
        numa_affinity(&own);
    bool is_read = read_list(root, "/sys/devices/system/node/online", "", &online);
    if (is_read && count_cpus(&online) > 1) {
        topology.nodes = alloc_array(count_cpus(&online), sizeof *topology.nodes, SIZE_MAX / 2);
        if (!topology.nodes)
            return error_set(error, STATUS_NO_MEMORY, "no memory for a list of NUMA nodes");
        if (!read_nodes(root, allowed ? allowed : &own, &online, &topology))
            numa_topology_fini(&topology);
    }
    *ret_topology = topology;
    return STATUS_OK;
}

void numa_topology_fini(struct numa_topology *topology)
{
    free(topology->nodes);
    *topology = (struct numa_topology){0};
}

size_t numa_topology_find(const struct numa_topology *topology, int cpu)
{
    for (size_t i = 0; i < topology->node_count; i++)
        if (cpu >= 0 && has(&topology->nodes[i].cpus, (size_t)cpu))
            return i;
    return 0;
}

bool numa_topology_is_on_one(const struct numa_topology *topology, const struct numa_cpus *cpus)
{
    bool is_on_one = false;
    for (size_t i = 0; i < topology->node_count; i++) {
        struct numa_cpus common;
        CPU_AND_S(sizeof common, common.sets, cpus->sets, topology->nodes[i].cpus.sets);
        is_on_one = is_on_one || (count_cpus(cpus) > 0 && count_cpus(&common) == count_cpus(cpus));
    }
    return is_on_one;
}

size_t numa_topology_share(const struct numa_topology *topology, unsigned index, unsigned count)
{
    uint64_t cpus = 0;
    for (size_t i = 0; i < topology->node_count; i++)
        cpus += topology->nodes[i].cpu_count;
    /* The CPU in the middle of the thread's part of all of them. */
    uint64_t cpu = (2 * (uint64_t)index + 1) * cpus / (2 * (uint64_t)count);
    size_t node = 0;
    while (cpu >= topology->nodes[node].cpu_count)
        cpu -= topology->nodes[node++].cpu_count;
    return node;
}

void numa_affinity(struct numa_cpus *ret_cpus)
{
    memset(ret_cpus, 0, sizeof *ret_cpus);
    if (pthread_getaffinity_np(pthread_self(), sizeof *ret_cpus, ret_cpus->sets) != 0)
        memset(ret_cpus, 0, sizeof *ret_cpus);
}

void numa_bind(const struct numa_cpus *cpus)
{
    (void)pthread_setaffinity_np(pthread_self(), sizeof *cpus, cpus->sets);
}
