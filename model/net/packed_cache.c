#include "model/net/packed_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/base/fingerprint.h"

static void say(struct packed_cache *cache, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct packed_cache *cache, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cache->reason, sizeof cache->reason, format, arguments);
    va_end(arguments);
}

enum status packed_cache_add_place(struct packed_cache *cache, const char *folder, const char *stem,
                                   struct error *error)
{
    if (cache->place_count == PACKED_CACHE_PLACES)
        return STATUS_OK;
    struct packed_cache_place *place = &cache->places[cache->place_count];
    *place = (struct packed_cache_place){strdup(folder), strdup(stem)};
    cache->place_count++;
    if (!place->folder || !place->stem)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the name of a folder");
    return STATUS_OK;
}

void packed_cache_fini(struct packed_cache *cache)
{
    for (size_t i = 0; i < cache->place_count; i++) {
        free(cache->places[i].folder);
        free(cache->places[i].stem);
    }
    free(cache->path);
    *cache = (struct packed_cache){0};
}

/* Returns owned, NULL without memory. */
static char *path_in(const struct packed_cache_place *place,
                     const struct packed_cache_header *header, const char *end)
{
    char *path;
    int length = asprintf(&path, "%s/%s.%.*s.%.*s.packed%s", place->folder, place->stem,
                          (int)sizeof header->kernel_set, header->kernel_set,
                          (int)sizeof header->precision, header->precision, end);
    return length < 0 ? NULL : path;
}

static uint64_t checksum(const struct packed_cache_header *block)
{
    return fingerprint_of(block + 1, block->size_bytes - sizeof *block);
}

/* Whether nobody else can have written the file. */
static bool is_trusted(struct packed_cache *cache, const char *path, const struct stat *info)
{
    if (!S_ISREG(info->st_mode))
        say(cache, "%s is no regular file", path);
    else if (info->st_uid != geteuid() && info->st_uid != 0)
        say(cache, "%s belongs to another user", path);
    else if (info->st_mode & (S_IWGRP | S_IWOTH))
        say(cache, "%s may be written by others", path);
    else
        return true;
    return false;
}

static bool fits(struct packed_cache *cache, const char *path,
                 const struct packed_cache_header *expected, const struct region *region)
{
    struct packed_cache_header found;
    memcpy(&found, region->data, sizeof found);
    uint64_t said = found.checksum;
    found.checksum = expected->checksum;
    if (memcmp(&found, expected, sizeof found) != 0)
        say(cache, "%s is of other weights, settings or kernels", path);
    else if (said != checksum(region->data))
        say(cache, "%s is damaged", path);
    else
        return true;
    return false;
}

static bool map(struct packed_cache *cache, int fd, const char *path,
                const struct packed_cache_header *expected, bool lock, struct region *ret_region)
{
    struct stat info;
    struct region region;
    struct error error = {0};
    if (fstat(fd, &info) != 0 || !is_trusted(cache, path, &info))
        return false;
    if (info.st_size < 0 || (uint64_t)info.st_size != expected->size_bytes) {
        say(cache, "%s is of other weights, settings or kernels, or not whole", path);
        return false;
    }
    if (region_map(fd, expected->size_bytes, lock, &region, &error) != STATUS_OK) {
        say(cache, "%s: %s", path, error.text);
        return false;
    }
    if (fits(cache, path, expected, &region)) {
        *ret_region = region;
        return true;
    }
    region_fini(&region);
    return false;
}

static bool open_place(struct packed_cache *cache, const struct packed_cache_place *place,
                       const struct packed_cache_header *expected, bool lock,
                       struct region *ret_region)
{
    char *path = path_in(place, expected, "");
    /* A FIFO must not block, and a link could lead to what belongs to us but is not for us. */
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    bool is_used = false;
    if (fd >= 0) {
        is_used = map(cache, fd, path, expected, lock, ret_region);
        (void)close(fd);
    } else if (path && errno != ENOENT && errno != ENOTDIR) {
        say(cache, "%s: %s", path, strerror(errno));
    }
    if (is_used) {
        cache->path = path;
        path = NULL;
    }
    free(path);
    return is_used;
}

bool packed_cache_open(struct packed_cache *cache, const struct packed_cache_header *expected,
                       bool lock, struct region *ret_region)
{
    cache->state = PACKED_CACHE_PACKED;
    say(cache, "there was none yet");
    for (size_t i = 0; i < cache->place_count; i++)
        if (open_place(cache, &cache->places[i], expected, lock, ret_region)) {
            cache->state = PACKED_CACHE_USED;
            cache->reason[0] = '\0';
            return true;
        }
    return false;
}

void packed_cache_reject(struct packed_cache *cache, struct region *region, const char *reason)
{
    say(cache, "%s %s", cache->path, reason);
    free(cache->path);
    cache->path = NULL;
    cache->state = PACKED_CACHE_PACKED;
    region_fini(region);
}

/* The system lets root write anywhere; who has taken everybody's permission away means root, too.
 */
static bool is_writable(const char *folder)
{
    struct stat info;
    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode) &&
           (info.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) && access(folder, W_OK | X_OK) == 0;
}

/* Writes over the limit would end the process with a signal. */
static bool may_be_as_large(uint64_t bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           limit.rlim_cur >= bytes;
}

/* Whether the open file is ours alone, and still the one of that name: another process that wrote
 * it has renamed it by now, and it must not be touched. */
static bool is_own_part(int fd, const char *path)
{
    struct stat info, named;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 && lstat(path, &named) == 0 &&
           info.st_dev == named.st_dev && info.st_ino == named.st_ino && S_ISREG(info.st_mode) &&
           info.st_uid == geteuid() && info.st_nlink == 1;
}

static bool write_all(int fd, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool write_block(int fd, const struct packed_cache_header *block, unsigned mode)
{
    struct packed_cache_header header = *block;
    header.checksum = checksum(block);
    return fchmod(fd, mode) == 0 && ftruncate(fd, 0) == 0 &&
           write_all(fd, &header, sizeof header) &&
           write_all(fd, block + 1, block->size_bytes - sizeof header) && fsync(fd) == 0;
}

/* The part has a fixed name, so that what a crash leaves behind is written over by the next start;
 * whoever holds its lock writes. */
static bool store_as(struct packed_cache *cache, const char *path, const char *part,
                     const struct packed_cache_header *block)
{
    int fd =
        open(part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        say(cache, "%s: %s", part, strerror(errno));
        return false;
    }
    bool is_stored = false;
    if (!is_own_part(fd, part)) {
        say(cache, "%s is being written by somebody else", part);
    } else {
        is_stored = write_block(fd, block, cache->mode) && rename(part, path) == 0;
        if (!is_stored) {
            say(cache, "%s: %s", part, strerror(errno));
            (void)unlink(part);
        }
    }
    (void)close(fd); /* and with it the lock, after the rename */
    return is_stored;
}

/* The folder and, as that of all caches may be missing in a new home, the one around it; no more:
 * where not even the home is, nobody wants a cache. */
static void make_folder(const char *folder)
{
    char *around = strdup(folder);
    char *slash = around ? strrchr(around, '/') : NULL;
    if (slash && slash > around) {
        *slash = '\0';
        (void)mkdir(around, S_IRWXU);
    }
    (void)mkdir(folder, S_IRWXU);
    free(around);
}

static bool store_in(struct packed_cache *cache, const struct packed_cache_place *place,
                     const struct packed_cache_header *block)
{
    make_folder(place->folder);
    if (!is_writable(place->folder)) {
        say(cache, "%s cannot be written", place->folder);
        return false;
    }
    char *path = path_in(place, block, ""), *part = path_in(place, block, ".part");
    bool is_stored = path && part && store_as(cache, path, part, block);
    if (is_stored) {
        cache->path = path;
        path = NULL;
    }
    free(path);
    free(part);
    return is_stored;
}

void packed_cache_store(struct packed_cache *cache, const struct packed_cache_header *block)
{
    if (cache->state != PACKED_CACHE_PACKED)
        return;
    if (!may_be_as_large(block->size_bytes)) {
        say(cache, "files may not be as large as %llu bytes here",
            (unsigned long long)block->size_bytes);
        return;
    }
    for (size_t i = 0; i < cache->place_count; i++)
        if (store_in(cache, &cache->places[i], block)) {
            cache->state = PACKED_CACHE_STORED;
            return;
        }
}

const char *packed_cache_outcome(const struct packed_cache *cache)
{
    static const char *const words[] = {[PACKED_CACHE_OFF] = "off",
                                        [PACKED_CACHE_PACKED] = "packed",
                                        [PACKED_CACHE_USED] = "used",
                                        [PACKED_CACHE_STORED] = "stored"};
    return words[cache->state];
}
