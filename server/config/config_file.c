#include "server/config/config_file.h"

#include <stdio.h>
#include <string.h>

#include "model/base/json_doc.h"
#include "model/base/json_line.h"
#include "server/config/config_options.h"
#include "server/config/config_value.h"

enum { MAX_NAME = 256, MAX_PLACE = 300 };

/* Where reading is, and where it puts what it finds. */
struct file {
    struct span text;
    const char *name;
    const char *section; /* NULL: among the sections */
    struct config *config;
    struct config_faults *faults;
    struct error *error; /* of status */
    enum status status;  /* no memory, or STATUS_OK */
};

/* "classifyd.json:12": where the member, or one entry of its list, stands. */
static void find_place(const struct file *file, const char *key, int entry,
                       char ret_place[MAX_PLACE])
{
    struct json_step steps[3];
    size_t count = 0;
    if (file->section)
        steps[count++] = (struct json_step){.key = file->section};
    steps[count++] = (struct json_step){.key = key};
    if (entry != CONFIG_VALUE_NO_ENTRY)
        steps[count++] = (struct json_step){.index = (size_t)entry};
    size_t line =
        config_faults_is_full(file->faults) ? 0 : json_line_find(file->text, steps, count);
    (void)snprintf(ret_place, MAX_PLACE, "%.250s:%zu", file->name, line);
}

static void name_member(const struct file *file, const char *key, char ret_name[MAX_NAME])
{
    (void)snprintf(ret_name, MAX_NAME, "%.80s%s%.100s", file->section ? file->section : "",
                   file->section ? "." : "", key);
}

static void add_fault(struct file *file, const char *key, int entry, const char *reason)
{
    char place[MAX_PLACE], name[MAX_NAME];
    find_place(file, key, entry, place);
    name_member(file, key, name);
    config_faults_add(file->faults, "%s: %s: %s", place, name, reason);
}

static void add_unknown(struct file *file, const char *key)
{
    char place[MAX_PLACE], name[MAX_NAME];
    find_place(file, key, CONFIG_VALUE_NO_ENTRY, place);
    name_member(file, key, name);
    config_faults_add_unknown(file->faults, place, name);
}

static bool read_option(struct file *file, const struct config_option *option, const char *key,
                        const struct json_node *value)
{
    struct error reason = {0};
    int entry;
    enum status status = config_value_read_json(option, value, file->config, &entry, &reason);
    if (status == STATUS_BAD_REQUEST)
        add_fault(file, key, entry, reason.text);
    else if (status)
        file->status = error_set(file->error, status, "%s", reason.text);
    return file->status == STATUS_OK;
}

static bool visit_member(void *user, const char *key, const struct json_node *value)
{
    struct file *file = user;
    char name[MAX_NAME];
    name_member(file, key, name);
    const struct config_option *option = config_options_find(name);
    if (option)
        return read_option(file, option, key, value);
    add_unknown(file, key);
    return true;
}

/* A key of the outermost object: a section, or an option without one. */
static bool visit_section(void *user, const char *key, const struct json_node *value)
{
    struct file *file = user;
    const struct config_option *option = config_options_find(key);
    if (config_options_is_section(key, strlen(key))) {
        if (!json_node_is_object(value)) {
            char reason[64];
            (void)snprintf(reason, sizeof reason, "wants an object, not %s",
                           config_value_type(value));
            add_fault(file, key, CONFIG_VALUE_NO_ENTRY, reason);
            return true;
        }
        file->section = key;
        bool is_going_on = json_node_each(value, visit_member, file);
        file->section = NULL;
        return is_going_on;
    }
    if (option && strchr(key, '.')) {
        char reason[MAX_NAME];
        (void)snprintf(reason, sizeof reason, "belongs into its section: {\"%.*s\": {\"%s\": ...}}",
                       (int)strcspn(key, "."), key, strchr(key, '.') + 1);
        add_fault(file, key, CONFIG_VALUE_NO_ENTRY, reason);
        return true;
    }
    if (option)
        return read_option(file, option, key, value);
    add_unknown(file, key);
    return true;
}

enum status config_file_read(struct span text, const char *name, struct config *config,
                             struct config_faults *faults, struct error *error)
{
    struct json_doc *doc;
    struct error reason = {0};
    enum status status = json_doc_parse_file(text, name, &doc, &reason);
    if (status == STATUS_BAD_REQUEST) {
        config_faults_add(faults, "%s", reason.text);
        return STATUS_OK;
    }
    if (status)
        return error_set(error, status, "%s", reason.text);
    struct file file = {
        .text = text, .name = name, .config = config, .faults = faults, .error = error};
    const struct json_node *root = json_doc_root(doc);
    if (json_node_is_object(root))
        (void)json_node_each(root, visit_section, &file);
    else
        config_faults_add(faults, "%s:1: wants an object of sections, not %s", name,
                          config_value_type(root));
    json_doc_destroy(doc);
    return file.status;
}
