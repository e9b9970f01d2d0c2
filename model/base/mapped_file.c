#include "model/base/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status read_stream(int fd, const char *path, size_t limit_bytes,
                               struct mapped_file *ret_file, struct error *error)
{
    size_t size = 0, capacity = 0;
    uint8_t *data = NULL;
    for (;;) {
        if (size == capacity) {
            capacity = capacity ? capacity * 2 : (size_t)1 << 16;
            uint8_t *grown = realloc(data, capacity);
            if (!grown) {
                free(data);
                return error_set(error, STATUS_NO_MEMORY, "%s: no memory for %zu bytes", path,
                                 capacity);
            }
            data = grown;
        }
        ssize_t got = read(fd, data + size, capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(data);
            return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
        }
        if (got == 0)
            break;
        size += (size_t)got;
        if (size > limit_bytes) {
            free(data);
            return error_set(error, STATUS_TOO_LARGE, "%s: more than the limit of %zu bytes", path,
                             limit_bytes);
        }
    }
    *ret_file = (struct mapped_file){.bytes = {data, size}};
    return STATUS_OK;
}

static enum status map(int fd, const char *path, size_t limit_bytes, struct mapped_file *ret_file,
                       struct error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return error_set(error, STATUS_IO, "%s: is a folder, not a file", path);
    if (!S_ISREG(info.st_mode) || info.st_size == 0)
        return read_stream(fd, path, limit_bytes, ret_file, error);
    if ((uint64_t)info.st_size > limit_bytes)
        return error_set(error, STATUS_TOO_LARGE, "%s: %lld bytes, the limit is %zu", path,
                         (long long)info.st_size, limit_bytes);
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return read_stream(fd, path, limit_bytes, ret_file, error);
    *ret_file = (struct mapped_file){.bytes = {data, (size_t)info.st_size}, .is_mapped = true};
    /* cppcheck-suppress memleak; the mapping is the caller's now */
    return STATUS_OK;
}

enum status mapped_file_init(const char *path, size_t limit_bytes, struct mapped_file *ret_file,
                             struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_IO,
                         "%s: %s", path, strerror(errno));
    enum status status = map(fd, path, limit_bytes, ret_file, error);
    close(fd);
    return status;
}

void mapped_file_fini(struct mapped_file *file)
{
    if (file->is_mapped)
        munmap((void *)(uintptr_t)file->bytes.data, file->bytes.size);
    else
        free((void *)(uintptr_t)file->bytes.data);
    *file = (struct mapped_file){0};
}
