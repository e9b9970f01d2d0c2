#include "model/base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status complain(const char *path, int code, struct error *error)
{
    return error_set(error, STATUS_IO, "%s: %s", path, strerror(code));
}

/* Whether something stands there that no file may take the place of. */
static bool is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

/* NULL with errno set on failure. */
static FILE *open_to_write(const char *path, bool is_new)
{
    int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (is_new ? O_CREAT | O_TRUNC : 0);
    int descriptor = open(path, flags, 0666);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (!file && descriptor >= 0) {
        int code = errno;
        (void)close(descriptor);
        errno = code;
    }
    return file;
}

/* Owned: what a symbolic link leads to, so that not the link itself is replaced. */
static char *follow(const char *path)
{
    struct stat info;
    char *target = NULL;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        target = realpath(path, NULL);
    return target ? target : strdup(path); /* one that leads nowhere is replaced */
}

enum status output_file_init(const char *path, struct output_file *ret_output, struct error *error)
{
    char *own = follow(path), *part = NULL;
    bool has_part = !is_special(path);
    if (own && has_part && asprintf(&part, "%s.%ld.part", own, (long)getpid()) < 0)
        part = NULL;
    if (!own || (has_part && !part)) {
        free(own);
        free(part);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a path");
    }
    FILE *file = open_to_write(has_part ? part : path, has_part);
    if (!file) {
        int code = errno;
        free(own);
        free(part);
        return complain(path, code, error);
    }
    *ret_output = (struct output_file){.file = file, .path = own, .part = part};
    return STATUS_OK;
}

enum status output_file_finish(struct output_file *output, bool is_good, struct error *error)
{
    is_good = is_good && fflush(output->file) == 0;
    is_good = is_good && (!output->part || fsync(fileno(output->file)) == 0);
    int code = errno;
    if (fclose(output->file) != 0 && is_good) {
        is_good = false;
        code = errno;
    }
    if (is_good && output->part && rename(output->part, output->path) != 0) {
        is_good = false;
        code = errno;
    }
    if (!is_good && output->part)
        (void)unlink(output->part);
    enum status status = is_good ? STATUS_OK : complain(output->path, code, error);
    free(output->path);
    free(output->part);
    *output = (struct output_file){0};
    return status;
}

enum status output_file_try(const char *path, struct error *error)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return complain(path, EISDIR, error);
    if (is_special(path)) /* who reads a pipe would take its being closed for the end */
        return access(path, W_OK) == 0 ? STATUS_OK : complain(path, errno, error);
    struct output_file output;
    enum status status = output_file_init(path, &output, error);
    if (status != STATUS_OK)
        return status;
    (void)fclose(output.file);
    if (output.part)
        (void)unlink(output.part);
    free(output.path);
    free(output.part);
    return STATUS_OK;
}
