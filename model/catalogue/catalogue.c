/* Owns the list of entries, the search by name and by file, and the search on disk. */
#include "model/catalogue/catalogue.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "model/base/alloc.h"
#include "model/base/nearest.h"

enum { CATALOGUE_MAX_ENTRIES = 4096 };

struct catalogue {
    struct json_doc *doc; /* the entries' strings live here */
    size_t count;
    struct catalogue_entry *entries;
};

/* Each set once, and one default a model. */
static enum status check_unique(const struct catalogue *catalogue,
                                const struct catalogue_entry *entry, struct error *error)
{
    size_t defaults = 0;
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct catalogue_entry *other = &catalogue->entries[i];
        if (strcmp(other->model, entry->model) != 0)
            continue;
        defaults += other->is_default;
        if (other != entry && strcasecmp(other->weights, entry->weights) == 0)
            return error_set(error, STATUS_BAD_MODEL, "%s:%s stands there twice", entry->model,
                             entry->weights);
    }
    if (defaults != 1)
        return error_set(error, STATUS_BAD_MODEL, "%s: expected one default, found %zu",
                         entry->model, defaults);
    return STATUS_OK;
}

static enum status read_entries(struct catalogue *catalogue, struct error *error)
{
    const struct json_node *root = json_doc_root(catalogue->doc);
    const struct json_node *models = json_node_member(root, "models");
    size_t count = json_node_count(models);
    if (!json_node_is_array(models) || json_node_count(root) != 1)
        return error_set(error, STATUS_BAD_MODEL, "expected {\"models\": [...]} and no other key");
    if (count > CATALOGUE_MAX_ENTRIES)
        return error_set(error, STATUS_TOO_LARGE, "models: %zu entries, the limit is %d", count,
                         CATALOGUE_MAX_ENTRIES);
    catalogue->entries = alloc_array(count, sizeof *catalogue->entries, SIZE_MAX);
    if (!catalogue->entries)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu entries", count);
    for (size_t i = 0; i < count; i++) {
        enum status status =
            catalogue_entry_read(json_node_item(models, i), &catalogue->entries[i], error);
        if (status != STATUS_OK) {
            error_prefix(error, "models[%zu]", i);
            return status;
        }
        catalogue->count = i + 1;
    }
    for (size_t i = 0; i < count; i++) {
        enum status status = check_unique(catalogue, &catalogue->entries[i], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status catalogue_parse(struct span json, struct catalogue **ret_catalogue, struct error *error)
{
    struct catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (!catalogue)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the catalogue");
    struct error why = {0};
    enum status status = json_doc_parse(json, &catalogue->doc, &why);
    if (status != STATUS_OK)
        status = error_set(error, status == STATUS_BAD_REQUEST ? STATUS_BAD_MODEL : status, "%s",
                           why.text);
    if (status == STATUS_OK)
        status = read_entries(catalogue, error);
    if (status == STATUS_OK)
        *ret_catalogue = catalogue;
    else
        catalogue_destroy(catalogue);
    return status;
}

void catalogue_destroy(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    for (size_t i = 0; i < catalogue->count; i++)
        catalogue_entry_fini(&catalogue->entries[i]);
    free(catalogue->entries);
    json_doc_destroy(catalogue->doc);
    free(catalogue);
}

size_t catalogue_count(const struct catalogue *catalogue)
{
    return catalogue->count;
}

const struct catalogue_entry *catalogue_at(const struct catalogue *catalogue, size_t index)
{
    return &catalogue->entries[index];
}

static enum status say_nearest(const struct catalogue *catalogue, const char *name, size_t length,
                               struct error *error)
{
    char model[64];
    (void)snprintf(model, sizeof model, "%.*s", length > 63 ? 63 : (int)length, name);
    for (char *at = model; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    struct nearest nearest = {.wanted = model};
    for (size_t i = 0; i < catalogue->count; i++)
        nearest_offer(&nearest, catalogue->entries[i].model);
    if (!nearest.name)
        return error_set(error, STATUS_NOT_FOUND,
                         "no model \"%.80s\" in the catalogue; `classifyd models` lists them",
                         name);
    return error_set(error, STATUS_NOT_FOUND,
                     "no model \"%.80s\" in the catalogue; did you mean %s?", name, nearest.name);
}

/* The sets that a model has: "V1, V2". */
static void list_weights(const struct catalogue *catalogue, const char *model, char *text,
                         size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < catalogue->count && used < size; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        if (strcmp(entry->model, model) != 0)
            continue;
        int length = snprintf(text + used, size - used, "%s%s", used ? ", " : "", entry->weights);
        used += length > 0 ? (size_t)length : 0;
    }
}

enum status catalogue_find(const struct catalogue *catalogue, const char *name,
                           const struct catalogue_entry **ret_entry, struct error *error)
{
    const char *colon = strchr(name, ':');
    size_t length = colon ? (size_t)(colon - name) : strlen(name);
    const char *weights = colon ? colon + 1 : "DEFAULT";
    static const char torchvision_prefix[] = "IMAGENET1K_";
    if (strncasecmp(weights, torchvision_prefix, strlen(torchvision_prefix)) == 0)
        weights += strlen(torchvision_prefix);

    const char *model = NULL;
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        if (strlen(entry->model) != length || strncmp(entry->model, name, length) != 0)
            continue;
        model = entry->model;
        if (strcasecmp(entry->weights, weights) == 0 ||
            (entry->is_default && strcasecmp(weights, "DEFAULT") == 0)) {
            *ret_entry = entry;
            return STATUS_OK;
        }
    }
    if (!model)
        return say_nearest(catalogue, name, length, error);
    char sets[160];
    list_weights(catalogue, model, sets, sizeof sets);
    return error_set(error, STATUS_NOT_FOUND, "%s has no weights \"%.80s\", it has %s", model,
                     weights, sets);
}

const struct catalogue_entry *catalogue_find_file(const struct catalogue *catalogue,
                                                  const char *file)
{
    for (size_t i = 0; i < catalogue->count; i++)
        if (catalogue_entry_is_file(&catalogue->entries[i], file))
            return &catalogue->entries[i];
    return NULL;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* The first of the entry's names that is in the folder. */
static enum status locate_in(const struct catalogue_entry *entry, const char *folder,
                             size_t folder_length, char **ret_path, struct error *error)
{
    size_t size = folder_length + 1 + CATALOGUE_ENTRY_FILE_BYTES;
    char *path = alloc_array(size, 1, SIZE_MAX);
    if (!path)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a path");
    char file[CATALOGUE_ENTRY_FILE_BYTES];
    for (size_t i = 0; catalogue_entry_file_name(entry, i, file); i++) {
        (void)snprintf(path, size, "%.*s/%s", (int)folder_length, folder, file);
        if (is_file(path)) {
            *ret_path = path;
            return STATUS_OK;
        }
    }
    free(path);
    return STATUS_NOT_FOUND;
}

enum status catalogue_locate(const struct catalogue_entry *entry, const char *folders,
                             char **ret_path, struct error *error)
{
    enum { FOLDER_MAX_BYTES = 4096 };
    for (const char *at = folders; *at;) {
        size_t length = strcspn(at, ":");
        enum status status = length == 0 || length > FOLDER_MAX_BYTES
                                 ? STATUS_NOT_FOUND
                                 : locate_in(entry, at, length, ret_path, error);
        if (status != STATUS_NOT_FOUND)
            return status;
        at += length;
        at += *at == ':';
    }
    return error_set(error, STATUS_NOT_FOUND,
                     "%s:%s is not on this machine: run `classifyd pull %s:%s`, or put %s into a "
                     "model folder (%s)",
                     entry->model, entry->weights, entry->model, entry->weights, entry->url,
                     *folders ? folders : "none is set");
}
