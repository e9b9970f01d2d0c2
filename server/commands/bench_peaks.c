#include "server/commands/bench_peaks.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/base/region.h"
#include "model/net/team.h"

enum {
    BURST_US = 50000,
    READ_ALIGNMENT = 4096,
    LEAST_MEMORY_BYTES = 64 << 20,
    MOST_MEMORY_BYTES = 256 << 20,
};

/* One loop, run by all threads at once. */
struct trial {
    const struct burst *burst; /* NULL: read */
    const struct burst_reader *reader;
    uint8_t *memory;     /* [threads, share_bytes] */
    size_t share_bytes;  /* a multiple of READ_ALIGNMENT */
    atomic_ullong total; /* of all threads, a second */
};

static void run_member(void *user, struct team *team, unsigned member)
{
    struct trial *trial = user;
    team_barrier(team);
    double rate = trial->burst ? burst_measure(trial->burst, BURST_US)
                               : burst_measure_reader(trial->reader,
                                                      trial->memory + member * trial->share_bytes,
                                                      trial->share_bytes, BURST_US);
    atomic_fetch_add(&trial->total, (unsigned long long)rate);
}

static double run_trial(struct team *team, struct trial *trial)
{
    atomic_store(&trial->total, 0);
    team_run(team, run_member, trial);
    return (double)atomic_load(&trial->total);
}

/* As the kernel tells, else as the C library does, which on a part of an AMD machine takes ten
 * times the L3 for granted that there is. 0: not known, or none. */
static size_t cache_bytes(int level, int name)
{
    char path[64], text[32] = "";
    /* Index 1 is L1's half for instructions. */
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size",
                   level == 1 ? 0 : level);
    FILE *file = fopen(path, "re");
    if (file && !fgets(text, sizeof text, file))
        text[0] = '\0';
    if (file)
        (void)fclose(file);
    size_t kib = strtoul(text, NULL, 10);
    if (kib > 0 && kib < SIZE_MAX >> 10)
        return kib << 10; /* "32768K" */
    long size = sysconf(name);
    return size > 0 ? (size_t)size : 0;
}

/* A level's own caches are the threads' together; L3 is taken as one for all. */
static void list_levels(unsigned threads, struct bench_peaks *peaks)
{
    const struct bench_peaks_level levels[] = {
        {"L1", cache_bytes(1, _SC_LEVEL1_DCACHE_SIZE) * threads, 0},
        {"L2", cache_bytes(2, _SC_LEVEL2_CACHE_SIZE) * threads, 0},
        {"L3", cache_bytes(3, _SC_LEVEL3_CACHE_SIZE), 0},
    };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (levels[i].size_bytes > 0)
            peaks->levels[peaks->level_count++] = levels[i];
    peaks->levels[peaks->level_count++] = (struct bench_peaks_level){"memory", SIZE_MAX, 0};
}

/* What is read to measure a level: half of it, so that other things find room there, and a quarter
 * of L3, which others share (on a Zen 4 of which two cores were ours 16 of 32 MB came half from
 * memory); of memory far more than the last cache holds. */
static size_t probe_bytes(const struct bench_peaks *peaks, size_t level)
{
    if (peaks->levels[level].size_bytes != SIZE_MAX)
        return peaks->levels[level].size_bytes / (level == 2 ? 4 : 2);
    size_t cached = level > 0 ? peaks->levels[level - 1].size_bytes : 0;
    size_t wanted = 4 * cached;
    return wanted < LEAST_MEMORY_BYTES  ? LEAST_MEMORY_BYTES
           : wanted > MOST_MEMORY_BYTES ? MOST_MEMORY_BYTES
                                        : wanted;
}

static void measure_all(struct team *team, const struct region *memory, struct bench_peaks *peaks)
{
    struct trial trial = {.reader = burst_find_reader(), .memory = memory->data};
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++) {
        trial.burst = burst_find((enum burst_arithmetic)i);
        if (trial.burst)
            peaks->operations_per_second[i] = run_trial(team, &trial);
    }
    trial.burst = NULL;
    for (size_t i = 0; i < peaks->level_count; i++) {
        size_t share = probe_bytes(peaks, i) / peaks->threads / READ_ALIGNMENT * READ_ALIGNMENT;
        trial.share_bytes = share ? share : READ_ALIGNMENT;
        peaks->levels[i].bytes_per_second = run_trial(team, &trial);
    }
}

enum status bench_peaks_measure(unsigned threads, struct bench_peaks *ret_peaks,
                                struct error *error)
{
    struct bench_peaks peaks = {.threads = threads};
    struct region memory = {0};
    struct team *team = NULL;
    list_levels(threads, &peaks);
    size_t bytes = probe_bytes(&peaks, peaks.level_count - 1) + threads * (size_t)READ_ALIGNMENT;
    enum status status = region_init(bytes, false, &memory, error);
    if (!status)
        status = team_create(threads, NULL, &team, error);
    if (!status) {
        memset(memory.data, 1, bytes); /* pages that were never written are all the same one */
        measure_all(team, &memory, &peaks);
        *ret_peaks = peaks;
    }
    team_destroy(team);
    region_fini(&memory);
    return status;
}

double bench_peaks_operations(const struct bench_peaks *peaks, enum burst_arithmetic arithmetic)
{
    double own = peaks->operations_per_second[arithmetic];
    return own > 0 ? own : peaks->operations_per_second[BURST_F32];
}

const struct bench_peaks_level *bench_peaks_level_of(const struct bench_peaks *peaks, size_t bytes)
{
    const struct bench_peaks_level *level = peaks->levels;
    while (level->size_bytes < bytes)
        level++;
    return level;
}
