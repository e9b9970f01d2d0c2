/* Owns the grammar of model names, and in which order metadata, the file beside the weights and the
 * catalogue are believed. */
#include "model/model_source.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/base/json_doc.h"
#include "model/base/mapped_file.h"
#include "model/net/architecture.h"
#include "model/net/weights_random.h"

enum {
    SIDECAR_MAX_BYTES = 16 << 20,
    MAX_RANDOM_CLASSES = 1 << 16,
};

static const char random_prefix[] = "random:";
static const char demo_note[] =
    "the embedded demo model: it knows 20 of ImageNet's 1000 classes and answers with one of them "
    "whatever it is shown; `classifyd pull resnet50` brings a real one";
static const char random_note[] = "random weights: the answers mean nothing";

static enum status keep_text(const char *text, char **ret_copy, struct error *error)
{
    char *copy = strdup(text);
    if (!copy)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a name");
    free(*ret_copy);
    *ret_copy = copy;
    return STATUS_OK;
}

static enum status keep_names(struct model_source *source, const char *name, const char *set,
                              const char *path, const char *note, struct error *error)
{
    enum status status = keep_text(name, &source->name, error);
    if (status == STATUS_OK)
        status = keep_text(set, &source->set, error);
    if (status == STATUS_OK)
        status = keep_text(path, &source->path, error);
    if (status == STATUS_OK && note)
        status = keep_text(note, &source->note, error);
    return status;
}

/* "imagenet1k", or an array of strings. */
static enum status read_labels(const struct model_library *library, const struct json_node *value,
                               struct model_source *source, struct error *error)
{
    const char *text = json_node_string(value);
    struct labels *own = NULL;
    if (text && strcmp(text, "imagenet1k") != 0)
        return error_set(error, STATUS_BAD_MODEL,
                         "labels: expected \"imagenet1k\" or an array of strings");
    if (!text) {
        enum status status = labels_read_json(value, &own, error);
        if (status != STATUS_OK)
            return status;
    }
    labels_destroy(source->own_labels);
    source->own_labels = own;
    source->labels = own ? own : library->imagenet_labels;
    return STATUS_OK;
}

static enum status read_metadata_golden(struct model_source *source, struct error *error)
{
    const char *text = weights_metadata(source->weights, "golden");
    if (!text)
        return STATUS_OK;
    struct json_doc *doc = NULL;
    struct error why = {0};
    struct span span = {(const uint8_t *)text, strlen(text)};
    enum status status = json_doc_parse(span, &doc, &why);
    if (status != STATUS_OK)
        return error_set(error, status == STATUS_BAD_REQUEST ? STATUS_BAD_MODEL : status,
                         "golden: not a JSON object: %s", why.text);
    status = engine_golden_read(json_doc_root(doc), &source->golden, error);
    json_doc_destroy(doc);
    return status;
}

static enum status read_metadata_labels(const struct model_library *library,
                                        struct model_source *source, struct error *error)
{
    const char *text = weights_metadata(source->weights, "labels");
    if (!text)
        return STATUS_OK;
    if (strcmp(text, "imagenet1k") == 0) {
        source->labels = library->imagenet_labels;
        return STATUS_OK;
    }
    struct json_doc *doc = NULL;
    struct error why = {0};
    struct span span = {(const uint8_t *)text, strlen(text)};
    enum status status = json_doc_parse(span, &doc, &why);
    if (status != STATUS_OK)
        return error_set(error, status == STATUS_BAD_REQUEST ? STATUS_BAD_MODEL : status,
                         "labels: neither \"imagenet1k\" nor a JSON array: %s", why.text);
    status = read_labels(library, json_doc_root(doc), source, error);
    json_doc_destroy(doc);
    return status;
}

/* What a safetensors file says about itself. */
static enum status read_metadata(const struct model_library *library, struct model_source *source,
                                 struct error *error)
{
    static const char *const keys[] = {"resize", "crop", "mean", "std"};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof keys / sizeof *keys; i++)
        status = recipe_read_text(keys[i], weights_metadata(source->weights, keys[i]),
                                  &source->recipe, error);
    if (status == STATUS_OK)
        status = read_metadata_labels(library, source, error);
    if (status == STATUS_OK)
        status = read_metadata_golden(source, error);
    if (status != STATUS_OK)
        error_prefix(error, "metadata");
    return status;
}

static bool is_sidecar_key(void *user, const char *key, const struct json_node *value)
{
    (void)value;
    static const char *const keys[] = {"resize", "crop", "mean", "std", "labels", "note", "golden"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    *(const char **)user = key;
    return false;
}

/* Whether the drawn image of golden values becomes the same input: nothing resizes it. */
static bool is_same_input(const struct recipe *a, const struct recipe *b)
{
    bool is_same = a->crop_px == b->crop_px;
    for (size_t i = 0; i < 3; i++)
        is_same = is_same && a->mean[i] == b->mean[i] && a->std[i] == b->std[i];
    return is_same;
}

static enum status read_sidecar(const struct model_library *library, const struct json_node *root,
                                struct model_source *source, struct error *error)
{
    const char *unknown = NULL;
    if (!json_node_is_object(root))
        return error_set(error, STATUS_BAD_MODEL, "expected an object");
    if (!json_node_each(root, is_sidecar_key, &unknown))
        return error_set(
            error, STATUS_BAD_MODEL,
            "%.60s: unknown key; known are resize, crop, mean, std, labels, note, golden", unknown);
    const struct recipe said = source->recipe;
    enum status status = recipe_read_json(root, &source->recipe, error);
    if (!is_same_input(&said, &source->recipe))
        source->golden.count = 0; /* they were computed for another input */
    const struct json_node *labels = json_node_member(root, "labels");
    if (status == STATUS_OK && labels)
        status = read_labels(library, labels, source, error);
    const struct json_node *note = json_node_member(root, "note");
    if (status == STATUS_OK && note)
        status = json_node_string(note)
                     ? keep_text(json_node_string(note), &source->note, error)
                     : error_set(error, STATUS_BAD_MODEL, "note: expected a text");
    const struct json_node *golden = json_node_member(root, "golden");
    if (status == STATUS_OK && golden)
        status = engine_golden_read(golden, &source->golden, error);
    return status;
}

/* What the JSON beside the weights says, if there is one. */
static enum status open_sidecar(const struct model_library *library, struct model_source *source,
                                struct error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s.json", source->path) < 0)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a path");
    struct mapped_file file = {0};
    struct json_doc *doc = NULL;
    struct error why = {0};
    enum status status = mapped_file_init(path, SIDECAR_MAX_BYTES, &file, &why);
    if (status == STATUS_OK) {
        status = json_doc_parse(file.bytes, &doc, &why);
        if (status == STATUS_OK)
            status = read_sidecar(library, json_doc_root(doc), source, &why);
        error_prefix(&why, "%s", path);
    }
    if (status == STATUS_NOT_FOUND)
        status = STATUS_OK;
    else if (status != STATUS_OK)
        status = error_set(error, status == STATUS_BAD_REQUEST ? STATUS_BAD_MODEL : status, "%s",
                           why.text);
    json_doc_destroy(doc);
    mapped_file_fini(&file);
    free(path);
    return status;
}

static enum status open_demo(const struct model_library *library, struct model_source *source,
                             struct error *error)
{
    enum status status = weights_parse(library->demo_weights, &source->weights, error);
    if (status == STATUS_OK)
        status = read_metadata(library, source, error);
    if (status == STATUS_OK)
        status = keep_names(source, "demo", "demo", "embedded", demo_note, error);
    return status;
}

/* The file at `path`; `entry` is what the catalogue knows about it, or NULL. */
static enum status open_file(const struct model_library *library, const char *path,
                             const struct catalogue_entry *entry, struct model_source *source,
                             struct error *error)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    enum status status = weights_open(path, &source->weights, error);
    if (status != STATUS_OK)
        return status;
    status = keep_names(source, entry ? entry->model : file, entry ? entry->weights : "file", path,
                        NULL, error);
    if (entry) {
        source->recipe = entry->recipe;
        source->labels = entry->labels;
    }
    if (status == STATUS_OK) {
        status = read_metadata(library, source, error);
        if (status != STATUS_OK)
            error_prefix(error, "%s", path);
    }
    if (status == STATUS_OK)
        status = open_sidecar(library, source, error);
    return status;
}

static enum status open_path(const struct model_library *library, const char *path,
                             struct model_source *source, struct error *error)
{
    const char *slash = strrchr(path, '/');
    const struct catalogue_entry *entry =
        catalogue_find_file(library->catalogue, slash ? slash + 1 : path);
    return open_file(library, path, entry, source, error);
}

static enum status open_entry(const struct model_library *library, const char *name,
                              struct model_source *source, struct error *error)
{
    const struct catalogue_entry *entry;
    char *path = NULL;
    enum status status = catalogue_find(library->catalogue, name, &entry, error);
    if (status == STATUS_OK)
        status = catalogue_locate(entry, library->folders, &path, error);
    if (status == STATUS_OK)
        status = open_file(library, path, entry, source, error);
    free(path);
    return status;
}

/* "seed=1&classes=10", both optional. */
static enum status read_random_settings(const char *text, struct weights_random_spec *spec,
                                        struct error *error)
{
    while (*text) {
        size_t length = strcspn(text, "=&");
        bool is_seed = length == 4 && strncmp(text, "seed", 4) == 0;
        bool is_classes = length == 7 && strncmp(text, "classes", 7) == 0;
        const char *digits = text + length + (text[length] == '=');
        size_t count = strspn(digits, "0123456789");
        uint64_t number = count > 0 && count < 19 ? strtoull(digits, NULL, 10) : 0;
        bool fits = count > 0 && count < 19 && (digits[count] == 0 || digits[count] == '&');
        if (is_classes && (number < 1 || number > MAX_RANDOM_CLASSES))
            fits = false;
        if (!fits || !(is_seed || is_classes))
            return error_set(error, STATUS_BAD_REQUEST,
                             "random model: \"%.40s\": expected seed=NUMBER or classes=1..%d, with "
                             "& between",
                             text, MAX_RANDOM_CLASSES);
        if (is_seed)
            spec->seed = number;
        else
            spec->classes = (uint32_t)number;
        text = digits + count;
        text += *text == '&';
    }
    return STATUS_OK;
}

static enum status find_architecture(const char *name, size_t length,
                                     struct weights_random_spec *ret_spec, const char **ret_name,
                                     struct error *error)
{
    for (size_t i = 0; i < architecture_count(); i++) {
        const struct architecture *found = architecture_at(i);
        if (strlen(found->name) != length || strncmp(found->name, name, length) != 0)
            continue;
        *ret_spec = (struct weights_random_spec){
            .is_bottleneck = found->is_bottleneck,
            .groups = found->groups,
            .width_per_group = found->width_per_group,
            .classes = 1000,
        };
        memcpy(ret_spec->blocks, found->blocks, sizeof ret_spec->blocks);
        *ret_name = found->name;
        return STATUS_OK;
    }
    return error_set(error, STATUS_NOT_FOUND,
                     "random model: no architecture \"%.*s\"; `classifyd models` lists them",
                     length > 80 ? 80 : (int)length, name);
}

static enum status open_random(const char *text, struct model_source *source, struct error *error)
{
    struct weights_random_spec spec;
    const char *name = NULL;
    size_t length = strcspn(text, "?");
    enum status status = find_architecture(text, length, &spec, &name, error);
    if (status == STATUS_OK && text[length] == '?')
        status = read_random_settings(text + length + 1, &spec, error);
    if (status == STATUS_OK)
        status = weights_random_create(&spec, &source->weights, error);
    if (status != STATUS_OK)
        return status;
    char set[32];
    (void)snprintf(set, sizeof set, "seed %llu", (unsigned long long)spec.seed);
    return keep_names(source, name, set, "random", random_note, error);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_path(const char *name)
{
    return strchr(name, '/') || ends_with(name, ".pth") || ends_with(name, ".pt") ||
           ends_with(name, ".safetensors");
}

enum status model_source_init(const struct model_library *library, const char *name,
                              struct model_source *source, struct error *error)
{
    *source = (struct model_source){.recipe = recipe_imagenet};
    if (strcmp(name, "demo") == 0)
        return open_demo(library, source, error);
    if (strncmp(name, random_prefix, strlen(random_prefix)) == 0)
        return open_random(name + strlen(random_prefix), source, error);
    if (is_path(name))
        return open_path(library, name, source, error);
    return open_entry(library, name, source, error);
}

enum status model_source_settle_labels(const struct model_library *library, size_t classes,
                                       struct model_source *source, struct error *error)
{
    if (!source->labels && labels_count(library->imagenet_labels) == classes)
        source->labels = library->imagenet_labels;
    if (!source->labels) {
        enum status status = labels_create_numbered(classes, &source->own_labels, error);
        if (status != STATUS_OK)
            return status;
        source->labels = source->own_labels;
    }
    if (labels_count(source->labels) != classes)
        return error_set(error, STATUS_BAD_MODEL, "%zu labels for a network of %zu classes",
                         labels_count(source->labels), classes);
    return STATUS_OK;
}

void model_source_fini(struct model_source *source)
{
    weights_destroy(source->weights);
    labels_destroy(source->own_labels);
    free(source->name);
    free(source->set);
    free(source->note);
    free(source->path);
    *source = (struct model_source){0};
}
