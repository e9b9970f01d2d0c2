#include "server/commands/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/image/prepare.h"

enum { FIRST_BYTES = 1 << 16 };

/* The file's own size and a byte more, to see its end; a stream begins small. */
static size_t first_capacity(int descriptor)
{
    struct stat info;
    bool is_file = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
    bool is_wanted = is_file && (uint64_t)info.st_size <= IMAGE_FILE_MAX_BYTES;
    return is_wanted ? (size_t)info.st_size + 1 : FIRST_BYTES;
}

static enum status read_all(int descriptor, uint8_t **ret_data, size_t *ret_size,
                            struct error *error)
{
    size_t size = 0, capacity = first_capacity(descriptor);
    uint8_t *data = malloc(capacity);
    enum status status = STATUS_OK;
    while (data) {
        ssize_t got = read(descriptor, data + size, capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = error_set(error, STATUS_IO, "%s",
                               errno == EISDIR ? "a folder, not a file" : strerror(errno));
        if (got <= 0)
            break;
        size += (size_t)got;
        if (size > IMAGE_FILE_MAX_BYTES) {
            status = error_set(error, STATUS_TOO_LARGE, "larger than the limit of %zu MiB",
                               IMAGE_FILE_MAX_BYTES >> 20);
            break;
        }
        if (size < capacity)
            continue;
        capacity = capacity <= IMAGE_FILE_MAX_BYTES / 2 ? 2 * capacity : IMAGE_FILE_MAX_BYTES + 1;
        uint8_t *grown = realloc(data, capacity);
        if (!grown)
            free(data);
        data = grown;
    }
    if (!data)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu bytes", capacity);
    if (status) {
        free(data);
        return status;
    }
    *ret_data = data;
    *ret_size = size;
    return STATUS_OK;
}

enum status image_file_read(const char *path, uint8_t **ret_data, size_t *ret_size,
                            struct error *error)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, ret_data, ret_size, error);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return error_set(error, errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_IO,
                         "%s", strerror(errno));
    enum status status = read_all(descriptor, ret_data, ret_size, error);
    (void)close(descriptor);
    return status;
}

bool image_file_has_name(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

enum status image_file_prepare(const char *path, const struct recipe *recipe, bool orient,
                               bool scale_dct, uint8_t *slot, struct error *error)
{
    const struct image_prepare_options options = {.limits = image_prepare_default_limits,
                                                  .resize_px = recipe->resize_px,
                                                  .crop_px = recipe->crop_px,
                                                  .orient = orient,
                                                  .scale_dct = scale_dct};
    uint8_t *data = NULL;
    size_t size = 0;
    struct image_info info;
    enum status status = image_file_read(path, &data, &size, error);
    if (!status)
        status = image_prepare(&options, (struct span){data, size}, slot, &info, NULL, error);
    free(data);
    return status;
}
