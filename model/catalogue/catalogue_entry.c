/* Owns the keys of an entry, their ranges, and the names that a weight file may have. */
#include "model/catalogue/catalogue_entry.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_BYTES = 48,  /* a model or a set of weights, with its end */
    FILE_BYTES = 128, /* the published file name, with its end */
    URL_BYTES = 1024,
};

/* Letters, digits and "._-", no dot in front: safe in a path, a URL and on a terminal. */
static bool is_plain_name(const char *name, size_t limit_bytes)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return length > 0 && length < limit_bytes && name[0] != '.';
}

static bool is_sha256_prefix(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef");
    return text[length] == 0 && length >= 8 && length <= 64;
}

static bool is_url(const char *url)
{
    if (strncmp(url, "https://", 8) != 0)
        return false;
    size_t length = strlen(url);
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)url[i]))
            return false;
    return length < URL_BYTES;
}

static bool has_weights_extension(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot && (strcmp(dot, ".pth") == 0 || strcmp(dot, ".pt") == 0 ||
                   strcmp(dot, ".safetensors") == 0);
}

static bool read_name(const struct json_node *value, const char **ret_name)
{
    const char *name = json_node_string(value);
    if (!name || !is_plain_name(name, NAME_BYTES))
        return false;
    *ret_name = name;
    return true;
}

static bool read_url(const struct json_node *value, struct catalogue_entry *entry)
{
    const char *url = json_node_string(value);
    if (!url || !is_url(url))
        return false;
    const char *file = strrchr(url, '/') + 1;
    if (!is_plain_name(file, FILE_BYTES) || !has_weights_extension(file))
        return false;
    entry->url = url;
    entry->file = file;
    return true;
}

static bool read_percent(const struct json_node *value, double *ret_percent)
{
    double percent;
    if (!json_node_number(value, &percent) || !(percent >= 0 && percent <= 100))
        return false;
    *ret_percent = percent;
    return true;
}

static bool read_count(const struct json_node *value, uint64_t *ret_count)
{
    int64_t count;
    if (!json_node_integer(value, &count) || count < 0)
        return false;
    *ret_count = (uint64_t)count;
    return true;
}

static bool read_size(const struct json_node *value, uint64_t *ret_mib_times_1000)
{
    double mib;
    if (!json_node_number(value, &mib) || !(mib >= 0 && mib <= 1e9))
        return false;
    *ret_mib_times_1000 = (uint64_t)llround(mib * 1000);
    return true;
}

static bool read_sha256(const struct json_node *value, const char **ret_prefix)
{
    const char *prefix = json_node_string(value);
    if (!prefix || !is_sha256_prefix(prefix))
        return false;
    *ret_prefix = prefix;
    return true;
}

enum key {
    KEY_MODEL,
    KEY_WEIGHTS,
    KEY_DEFAULT,
    KEY_URL,
    KEY_SHA256,
    KEY_SIZE,
    KEY_PARAMETERS,
    KEY_ACC_AT_1,
    KEY_ACC_AT_5,
    KEY_LABELS,
    KEY_RESIZE,
    KEY_CROP,
    KEY_MEAN,
    KEY_STD,
    KEY_COUNT,
};

static const struct {
    const char *name, *expected;
} keys[KEY_COUNT] = {
    [KEY_MODEL] = {"model", "a name of letters, digits, dot, dash and underscore"},
    [KEY_WEIGHTS] = {"weights", "a name of letters, digits, dot, dash and underscore"},
    [KEY_DEFAULT] = {"default", "true or false"},
    [KEY_URL] = {"url", "an https URL whose last part is a plain name that ends in .pth, .pt or "
                        ".safetensors"},
    [KEY_SHA256] = {"sha256", "the first 8 to 64 hexadecimal digits, lower case"},
    [KEY_SIZE] = {"size_mib", "a number"},
    [KEY_PARAMETERS] = {"parameters", "a whole number"},
    [KEY_ACC_AT_1] = {"acc_at_1", "a percentage"},
    [KEY_ACC_AT_5] = {"acc_at_5", "a percentage"},
    [KEY_LABELS] = {"labels", "an array of strings"},
    [KEY_RESIZE] = {"resize", NULL},
    [KEY_CROP] = {"crop", NULL},
    [KEY_MEAN] = {"mean", NULL},
    [KEY_STD] = {"std", NULL},
};

struct reading {
    struct catalogue_entry entry;
    struct labels *labels; /* the entry's own, owned */
    enum status status;
    struct error *error;
};

static bool read_labels(struct reading *reading, const struct json_node *value)
{
    if (labels_read_json(value, &reading->labels, NULL) != STATUS_OK)
        return false;
    reading->entry.labels = reading->labels;
    return true;
}

static bool read_value(struct reading *reading, enum key key, const struct json_node *value)
{
    struct catalogue_entry *entry = &reading->entry;
    switch (key) {
    case KEY_MODEL:
        return read_name(value, &entry->model);
    case KEY_WEIGHTS:
        return read_name(value, &entry->weights);
    case KEY_DEFAULT:
        return json_node_boolean(value, &entry->is_default);
    case KEY_URL:
        return read_url(value, entry);
    case KEY_SHA256:
        return read_sha256(value, &entry->sha256_prefix);
    case KEY_SIZE:
        return read_size(value, &entry->size_mib_times_1000);
    case KEY_PARAMETERS:
        return read_count(value, &entry->parameters);
    case KEY_ACC_AT_1:
        return read_percent(value, &entry->acc_at_1);
    case KEY_ACC_AT_5:
        return read_percent(value, &entry->acc_at_5);
    case KEY_LABELS:
        return read_labels(reading, value);
    case KEY_RESIZE:
    case KEY_CROP:
    case KEY_MEAN:
    case KEY_STD:
    case KEY_COUNT:
        break;
    }
    return true;
}

static bool read_member(void *user, const char *name, const struct json_node *value)
{
    struct reading *reading = user;
    enum key key = 0;
    while (key < KEY_COUNT && strcmp(keys[key].name, name) != 0)
        key++;
    if (key == KEY_COUNT)
        reading->status = error_set(reading->error, STATUS_BAD_MODEL, "%.60s: unknown key", name);
    else if (!read_value(reading, key, value))
        reading->status = error_set(reading->error, STATUS_BAD_MODEL, "%s: expected %s", name,
                                    keys[key].expected);
    return reading->status == STATUS_OK;
}

static enum status check_complete(const struct catalogue_entry *entry, struct error *error)
{
    enum key missing = !entry->model           ? KEY_MODEL
                       : !entry->weights       ? KEY_WEIGHTS
                       : !entry->url           ? KEY_URL
                       : !entry->sha256_prefix ? KEY_SHA256
                                               : KEY_COUNT;
    if (missing == KEY_COUNT)
        return STATUS_OK;
    return error_set(error, STATUS_BAD_MODEL, "%s: missing", keys[missing].name);
}

enum status catalogue_entry_read(const struct json_node *object, struct catalogue_entry *ret_entry,
                                 struct error *error)
{
    if (!json_node_is_object(object))
        return error_set(error, STATUS_BAD_MODEL, "expected an object");
    struct reading reading = {.entry.recipe = recipe_imagenet, .error = error};
    (void)json_node_each(object, read_member, &reading);
    enum status status = reading.status;
    if (status == STATUS_OK)
        status = recipe_read_json(object, &reading.entry.recipe, error);
    if (status == STATUS_OK)
        status = check_complete(&reading.entry, error);
    if (status == STATUS_OK)
        *ret_entry = reading.entry;
    else
        labels_destroy(reading.labels);
    return status;
}

void catalogue_entry_fini(struct catalogue_entry *entry)
{
    labels_destroy((struct labels *)(uintptr_t)entry->labels);
    *entry = (struct catalogue_entry){0};
}

/* How many of the names say which set of weights they hold; they come first. */
enum { TELLING_NAMES = 4, ALL_NAMES = 6 };

bool catalogue_entry_file_name(const struct catalogue_entry *entry, size_t index,
                               char ret_file[CATALOGUE_ENTRY_FILE_BYTES])
{
    if (index >= (entry->is_default ? ALL_NAMES : TELLING_NAMES))
        return false;
    int stem = (int)(strrchr(entry->file, '.') - entry->file);
    const char *extension = index % 2 == 0 ? ".pth" : ".safetensors";
    int length;
    if (index == 0)
        length = snprintf(ret_file, CATALOGUE_ENTRY_FILE_BYTES, "%s", entry->file);
    else if (index == 1)
        length =
            snprintf(ret_file, CATALOGUE_ENTRY_FILE_BYTES, "%.*s%s", stem, entry->file, extension);
    else if (index < TELLING_NAMES)
        length = snprintf(ret_file, CATALOGUE_ENTRY_FILE_BYTES, "%s-%s%s", entry->model,
                          entry->weights, extension);
    else
        length = snprintf(ret_file, CATALOGUE_ENTRY_FILE_BYTES, "%s%s", entry->model, extension);
    return length > 0 && length < CATALOGUE_ENTRY_FILE_BYTES;
}

bool catalogue_entry_is_file(const struct catalogue_entry *entry, const char *file)
{
    char name[CATALOGUE_ENTRY_FILE_BYTES];
    for (size_t i = 0; i < TELLING_NAMES; i++)
        if (catalogue_entry_file_name(entry, i, name) && strcmp(name, file) == 0)
            return true;
    return false;
}
