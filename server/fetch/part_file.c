#include "server/fetch/part_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status say(const char *path, struct error *error)
{
    return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

/* Every folder on the way to `path`, as mkdir -p; `path` is written to and restored. */
static enum status make_folders(char *path, struct error *error)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool is_made = mkdir(path, 0777) == 0 || errno == EEXIST;
        if (!is_made)
            (void)say(path, error);
        *slash = '/';
        if (!is_made)
            return STATUS_IO;
    }
    return STATUS_OK;
}

/* Takes the lock; waits for another process that has it. */
static enum status lock(const struct part_file *part, void (*waiting)(void *user), void *user,
                        struct error *error)
{
    if (flock(part->fd, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    if (errno == EWOULDBLOCK && waiting)
        waiting(user);
    while (flock(part->fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return say(part->part_path, error);
    return STATUS_OK;
}

/* Whether the file that we have locked is still the one at the path: who had the lock before may
 * have moved or deleted it. */
static bool is_still_there(const struct part_file *part)
{
    struct stat ours, at_path;
    assert(part->part_path);
    return fstat(part->fd, &ours) == 0 && stat(part->part_path, &at_path) == 0 &&
           ours.st_dev == at_path.st_dev && ours.st_ino == at_path.st_ino;
}

static enum status open_locked(struct part_file *part, void (*waiting)(void *user), void *user,
                               struct error *error)
{
    for (;;) {
        part->fd = open(part->part_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (part->fd < 0)
            return say(part->part_path, error);
        enum status status = lock(part, waiting, user, error);
        if (status != STATUS_OK || is_still_there(part))
            return status;
        close(part->fd);
        part->fd = -1;
    }
}

static enum status read_content(struct part_file *part, struct error *error)
{
    struct stat info;
    enum status status =
        checksum_update_from_file(part->checksum, part->fd, part->part_path, error);
    if (status != STATUS_OK)
        return status;
    if (fstat(part->fd, &info) != 0)
        return say(part->part_path, error);
    part->bytes = part->resumed_bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

enum status part_file_init(const char *path, void (*waiting)(void *user), void *user,
                           struct part_file *ret_part, struct error *error)
{
    struct part_file part = {.fd = -1, .path = strdup(path)};
    if (asprintf(&part.part_path, "%s.part", path) < 0)
        part.part_path = NULL;
    if (!part.path || !part.part_path) {
        part_file_fini(&part);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a path");
    }
    enum status status = checksum_create(&part.checksum, error);
    if (status == STATUS_OK)
        status = make_folders(part.part_path, error);
    if (status == STATUS_OK)
        status = open_locked(&part, waiting, user, error);
    if (status == STATUS_OK)
        status = read_content(&part, error);
    if (status == STATUS_OK)
        *ret_part = part;
    else
        part_file_fini(&part);
    return status;
}

enum status part_file_restart(struct part_file *part, struct error *error)
{
    if (ftruncate(part->fd, 0) != 0 || lseek(part->fd, 0, SEEK_SET) != 0)
        return say(part->part_path, error);
    part->bytes = part->resumed_bytes = 0;
    return checksum_reset(part->checksum, error);
}

enum status part_file_append(struct part_file *part, struct span bytes, struct error *error)
{
    while (bytes.size > 0) {
        ssize_t written = write(part->fd, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return say(part->part_path, error);
        struct span done = {bytes.data, (size_t)written};
        enum status status = checksum_update(part->checksum, done, error);
        if (status != STATUS_OK)
            return status;
        part->bytes += done.size;
        bytes = (struct span){bytes.data + done.size, bytes.size - done.size};
    }
    return STATUS_OK;
}

/* A rename is on the disk only when its folder is. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

enum status part_file_commit(struct part_file *part, struct error *error)
{
    if (fsync(part->fd) != 0)
        return say(part->part_path, error);
    if (rename(part->part_path, part->path) != 0)
        return say(part->path, error);
    sync_folder(part->path);
    return STATUS_OK;
}

void part_file_discard(struct part_file *part)
{
    (void)unlink(part->part_path);
}

void part_file_fini(struct part_file *part)
{
    struct stat info;
    /* Deleted while still locked, so that nobody else's is. */
    if (part->fd >= 0 && fstat(part->fd, &info) == 0 && info.st_size == 0 && is_still_there(part))
        part_file_discard(part);
    if (part->fd >= 0)
        close(part->fd);
    checksum_destroy(part->checksum);
    free(part->part_path);
    free(part->path);
    *part = (struct part_file){.fd = -1};
}
