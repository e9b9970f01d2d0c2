#include "server/commands/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/commands/image_file.h"

enum { MAX_DEPTH = 16 };

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "no memory for the list of images");
}

/* Takes `path`, also where it fails; NULL is a lack of memory. */
static enum status add_image(struct dataset *dataset, char *path, uint32_t class_id,
                             struct error *error)
{
    if (path && dataset->count == dataset->capacity) {
        size_t capacity = dataset->capacity ? 2 * dataset->capacity : 1024;
        struct dataset_image *grown =
            reallocarray(dataset->images, capacity, sizeof *dataset->images);
        if (grown) {
            dataset->images = grown;
            dataset->capacity = capacity;
        }
    }
    if (!path || dataset->count == dataset->capacity) {
        free(path);
        return no_memory(error);
    }
    dataset->images[dataset->count++] = (struct dataset_image){path, class_id};
    return STATUS_OK;
}

static char *join_path(const char *folder, const char *name)
{
    char *path;
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", folder, slash, name) < 0 ? NULL : path;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Byte order, so that the result does not depend on the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* What to do with one entry of a folder; takes `path`. */
typedef enum status visit_fn(struct dataset *dataset, char *path, const char *name, bool is_folder,
                             void *context, struct error *error);

static enum status visit_folder(struct dataset *dataset, const char *folder, visit_fn *visit,
                                void *context, struct error *error)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, compare_names);
    if (count < 0)
        return error_set(error, STATUS_IO, "%s: %s", folder, strerror(errno));
    enum status status = STATUS_OK;
    for (int i = 0; i < count && !status; i++) {
        char *path = join_path(folder, entries[i]->d_name);
        struct stat info;
        /* What cannot be looked at, a broken link say, is told when it is read as an image. */
        bool is_seen = path && stat(path, &info) == 0;
        if (!path) {
            status = no_memory(error);
        } else if (is_seen && !S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
            dataset->passed_over++; /* a pipe, say, from which nothing may ever come */
            free(path);
        } else {
            status = visit(dataset, path, entries[i]->d_name, is_seen && S_ISDIR(info.st_mode),
                           context, error);
        }
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return status;
}

struct class_folder {
    uint32_t class_id;
    int depth;
};

static enum status visit_class(struct dataset *dataset, char *path, const char *name,
                               bool is_folder, void *context, struct error *error)
{
    struct class_folder folder = *(const struct class_folder *)context;
    if (!is_folder && image_file_has_name(name))
        return add_image(dataset, path, folder.class_id, error);
    enum status status = STATUS_OK;
    if (!is_folder)
        dataset->passed_over++;
    else if (++folder.depth > MAX_DEPTH)
        status = error_set(error, STATUS_BAD_REQUEST, "%s: folders nested deeper than %d", path,
                           MAX_DEPTH);
    else
        status = visit_folder(dataset, path, visit_class, &folder, error);
    free(path);
    return status;
}

struct class_names {
    const struct labels *labels;
    uint32_t classes;
};

static bool find_class(const struct class_names *names, const char *name, uint32_t *ret_class_id)
{
    size_t class_id;
    if (!labels_find(names->labels, name, &class_id) || class_id >= names->classes)
        return false;
    *ret_class_id = (uint32_t)class_id;
    return true;
}

static enum status visit_root(struct dataset *dataset, char *path, const char *name, bool is_folder,
                              void *context, struct error *error)
{
    struct class_folder folder = {0};
    enum status status = STATUS_OK;
    if (!is_folder)
        dataset->passed_over++;
    else if (!find_class(context, name, &folder.class_id))
        status =
            error_set(error, STATUS_BAD_REQUEST,
                      "%s: the model has no class \"%s\"; folders are named by a class's wnid, "
                      "label or number",
                      path, name);
    else
        status = visit_folder(dataset, path, visit_class, &folder, error);
    free(path);
    return status;
}

/* The path of one line, relative to the list's folder. */
static char *resolve_path(const char *list, const char *path)
{
    const char *slash = strrchr(list, '/');
    if (path[0] == '/' || !slash)
        return strdup(path);
    char *resolved;
    return asprintf(&resolved, "%.*s%s", (int)(slash + 1 - list), list, path) < 0 ? NULL : resolved;
}

static enum status read_line(struct dataset *dataset, const char *list, size_t number, char *line,
                             struct class_names *names, struct error *error)
{
    line[strcspn(line, "\r\n")] = '\0';
    if (*line == '\0')
        return STATUS_OK;
    char *tab = strrchr(line, '\t');
    if (!tab || tab == line)
        return error_set(error, STATUS_BAD_REQUEST, "%s:%zu: not \"path<TAB>class\"", list, number);
    *tab = '\0';
    uint32_t class_id;
    if (!find_class(names, tab + 1, &class_id))
        return error_set(
            error, STATUS_BAD_REQUEST,
            "%s:%zu: the model has no class \"%s\"; a class is given by its wnid, label "
            "or number below %u",
            list, number, tab + 1, names->classes);
    return add_image(dataset, resolve_path(list, line), class_id, error);
}

static enum status read_list(struct dataset *dataset, const char *path, struct class_names *names,
                             struct error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0, number = 0;
    enum status status = STATUS_OK;
    while (!status && getline(&line, &capacity, file) >= 0)
        status = read_line(dataset, path, ++number, line, names, error);
    if (!status && ferror(file))
        status = error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    free(line);
    (void)fclose(file);
    return status;
}

enum status dataset_init(struct dataset *dataset, const char *path, const struct labels *labels,
                         uint32_t classes, struct error *error)
{
    *dataset = (struct dataset){0};
    struct class_names names = {labels, classes};
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         strerror(errno));
    enum status status = S_ISDIR(info.st_mode)
                             ? visit_folder(dataset, path, visit_root, &names, error)
                             : read_list(dataset, path, &names, error);
    if (!status && dataset->count == 0)
        status =
            error_set(error, STATUS_BAD_REQUEST,
                      S_ISDIR(info.st_mode)
                          ? "%s: no images; a test set has a folder a class, with the images in it"
                          : "%s: no images; a list has a line an image, \"path<TAB>class\"",
                      path);
    return status;
}

enum status dataset_init_folder(struct dataset *dataset, const char *path, struct error *error)
{
    *dataset = (struct dataset){0};
    struct class_folder folder = {0};
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         strerror(errno));
    enum status status = visit_folder(dataset, path, visit_class, &folder, error);
    if (!status && dataset->count == 0)
        status = error_set(error, STATUS_BAD_REQUEST,
                           "%s: no images: a file's name says by its ending that it is one", path);
    return status;
}

void dataset_fini(struct dataset *dataset)
{
    for (size_t i = 0; i < dataset->count; i++)
        free(dataset->images[i].path);
    free(dataset->images);
    *dataset = (struct dataset){0};
}

void dataset_thin(struct dataset *dataset, size_t limit)
{
    if (limit >= dataset->count)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        /* Image i is kept where the share of `limit` that is due grows past a whole number. */
        bool is_kept = (uint64_t)(i + 1) * limit / dataset->count > kept;
        if (is_kept)
            dataset->images[kept++] = dataset->images[i];
        else
            free(dataset->images[i].path);
    }
    dataset->count = kept;
}
