#include "model/model_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "model/base/fingerprint.h"

/* The parts of a path; `folder` is owned. */
struct parts {
    char *folder;
    const char *file;
};

static struct parts split(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return (struct parts){strdup("."), path};
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    return (struct parts){strndup(path, length), slash + 1};
}

static enum status add_own_folder(const struct parts *parts, struct packed_cache *cache,
                                  struct error *error)
{
    return packed_cache_add_place(cache, parts->folder, parts->file, error);
}

/* Files of one name from many folders meet there: the name gets a number of their folder. */
static enum status add_shared_folder(const char *folder, const struct parts *parts,
                                     struct packed_cache *cache, struct error *error)
{
    char *real = realpath(parts->folder, NULL), *stem = NULL;
    const char *known = real ? real : parts->folder;
    enum status status = STATUS_OK;
    if (asprintf(&stem, "%s.%016" PRIx64, parts->file, fingerprint_of(known, strlen(known))) < 0)
        stem = NULL;
    if (stem)
        status = packed_cache_add_place(cache, folder, stem, error);
    else
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the name of a file");
    free(real);
    free(stem);
    return status;
}

static enum status add_places(const struct model_options *options, const char *path,
                              struct packed_cache *cache, struct error *error)
{
    struct parts parts = split(path);
    bool is_auto = strcmp(options->cache, "auto") == 0;
    const char *shared = is_auto ? options->user_cache : options->cache;
    enum status status = STATUS_OK;
    if (!parts.folder)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the name of a folder");
    if (is_auto)
        status = add_own_folder(&parts, cache, error);
    if (status == STATUS_OK && shared && *shared)
        status = add_shared_folder(shared, &parts, cache, error);
    free(parts.folder);
    return status;
}

enum status model_cache_init(const struct model_options *options, const struct model_source *source,
                             struct packed_cache *ret_cache, struct error *error)
{
    struct span bytes = weights_bytes(source->weights);
    struct stat info;
    *ret_cache = (struct packed_cache){.state = PACKED_CACHE_OFF};
    if (!options->cache || strcmp(options->cache, "off") == 0 || bytes.size == 0 ||
        stat(source->path, &info) != 0 || !S_ISREG(info.st_mode))
        return STATUS_OK;
    ret_cache->state = PACKED_CACHE_PACKED;
    /* Tells the disk at once what will be read, where the file is not in memory. */
    (void)posix_madvise((void *)(uintptr_t)bytes.data, bytes.size, POSIX_MADV_WILLNEED);
    ret_cache->source_key = fingerprint_of(bytes.data, bytes.size);
    /* Whoever may read the weights may read them packed. */
    ret_cache->mode = S_IRUSR | S_IWUSR | (info.st_mode & (S_IRGRP | S_IROTH));
    return add_places(options, source->path, ret_cache, error);
}
