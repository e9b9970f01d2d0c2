#include "server/commands/photographs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "server/commands/image_file.h"

/* Not a pipe, for one, from which nothing may ever come. */
static int is_image(const struct dirent *entry)
{
    bool may_be_file =
        entry->d_type == DT_REG || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
    return entry->d_name[0] != '.' && may_be_file && image_file_has_name(entry->d_name);
}

/* Byte order, so that the result does not depend on the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum status read_file(struct photographs *photographs, const char *folder, const char *name,
                             struct error *error)
{
    struct photograph *photograph = &photographs->files[photographs->count];
    if (asprintf(&photograph->path, "%s/%s", folder, name) < 0) {
        photograph->path = NULL;
        return error_set(error, STATUS_NO_MEMORY, "no memory for the list of images");
    }
    photographs->count++; /* its path is to be freed from here on */
    enum status status =
        image_file_read(photograph->path, &photograph->data, &photograph->size_bytes, error);
    if (!status && photograph->size_bytes > PHOTOGRAPHS_MOST_BYTES - photographs->size_bytes)
        status = error_set(error, STATUS_TOO_LARGE, "with it the images have more than %zu MiB",
                           PHOTOGRAPHS_MOST_BYTES >> 20);
    if (status)
        error_prefix(error, "%s", photograph->path);
    else
        photographs->size_bytes += photograph->size_bytes;
    return status;
}

enum status photographs_init(struct photographs *photographs, const char *folder, size_t limit,
                             struct error *error)
{
    struct dirent **entries;
    *photographs = (struct photographs){0};
    int found = scandir(folder, &entries, is_image, compare_names);
    if (found < 0)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", folder,
                         strerror(errno));
    size_t count = (size_t)found, wanted = limit < PHOTOGRAPHS_MOST ? limit : PHOTOGRAPHS_MOST;
    wanted = count < wanted ? count : wanted;
    enum status status = STATUS_OK;
    photographs->files = alloc_array(wanted, sizeof *photographs->files, SIZE_MAX);
    if (!photographs->files)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the list of images");
    else if (wanted == 0)
        status =
            error_set(error, STATUS_BAD_REQUEST,
                      "%s: no images: a file's name says by its ending that it is one", folder);
    for (size_t i = 0; i < wanted && !status; i++)
        status = read_file(photographs, folder, entries[i]->d_name, error);
    for (size_t i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return status;
}

void photographs_fini(struct photographs *photographs)
{
    for (size_t i = 0; i < photographs->count; i++) {
        free(photographs->files[i].path);
        free(photographs->files[i].data);
    }
    free(photographs->files);
    *photographs = (struct photographs){0};
}
