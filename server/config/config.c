#include "server/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/mapped_file.h"
#include "server/config/config_environment.h"
#include "server/config/config_faults.h"
#include "server/config/config_file.h"
#include "server/config/config_options.h"
#include "server/config/config_value.h"

enum { MAX_FILE_BYTES = 1 << 20 };

/* Every option at its default. */
static enum status create(struct config **ret_config, struct error *error)
{
    size_t count;
    const struct config_option *options = config_options(&count);
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the configuration");
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = config_value_read_text(&options[i], options[i].preset, config, error);
    if (status)
        config_destroy(config);
    else
        *ret_config = config;
    return status;
}

void config_destroy(struct config *config)
{
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; config && i < count; i++)
        config_value_fini(&options[i], config);
    free(config);
}

static enum status read_setting(const struct config_setting *setting, struct config *config,
                                struct config_faults *faults, struct error *error)
{
    const struct config_option *option = config_options_find(setting->name);
    if (!option) {
        config_faults_add_unknown(faults, "--set", setting->name);
        return STATUS_OK;
    }
    struct error reason = {0};
    enum status status = config_value_read_text(option, setting->value, config, &reason);
    if (status == STATUS_BAD_REQUEST) {
        if (setting->origin)
            config_faults_add(faults, "%s: %s", setting->origin, reason.text);
        else
            config_faults_add(faults, "--set: %s: %s", setting->name, reason.text);
        return STATUS_OK;
    }
    return status ? error_set(error, status, "%s", reason.text) : STATUS_OK;
}

/* What can only be judged when every value is known. */
static void check_together(const struct config *config, struct config_faults *faults)
{
    long long memory_bytes = config->limits.memory_bytes;
    if (config->limits.body_bytes > memory_bytes)
        config_faults_add(
            faults,
            "limits.body_bytes: %lld is over limits.memory_bytes (%lld), so that such "
            "a body could never be taken",
            (long long)config->limits.body_bytes, memory_bytes);
    if (config->fetch.enabled && config->fetch.max_bytes > memory_bytes)
        config_faults_add(faults,
                          "fetch.max_bytes: %lld is over limits.memory_bytes (%lld), so that such "
                          "an image could never be taken",
                          (long long)config->fetch.max_bytes, memory_bytes);
    if (config->fetch.enabled && *config->fetch.proxy && config->fetch.allow_hosts.count == 0)
        config_faults_add(faults, "fetch.proxy: needs fetch.allow_hosts, for behind a proxy the "
                                  "address of a host cannot be judged");
}

enum status config_parse(const struct config_sources *sources, struct span text,
                         struct config **ret_config, struct error *error)
{
    struct config_faults faults = {0};
    struct config *config;
    enum status status = create(&config, error);
    if (status)
        return status;
    if (sources->file)
        status = config_file_read(text, sources->file, config, &faults, error);
    if (!status && sources->environment)
        status = config_environment_read(sources->environment, config, &faults, error);
    for (size_t i = 0; i < sources->setting_count && !status; i++)
        status = read_setting(&sources->settings[i], config, &faults, error);
    if (!status && faults.count == 0)
        check_together(config, &faults);
    if (!status)
        status = config_faults_finish(&faults, error);
    if (status)
        config_destroy(config);
    else
        *ret_config = config;
    return status;
}

enum status config_load(const struct config_sources *sources, struct config **ret_config,
                        struct error *error)
{
    struct mapped_file file = {0};
    if (sources->file) {
        enum status status = mapped_file_init(sources->file, MAX_FILE_BYTES, &file, error);
        if (status)
            return status;
    }
    enum status status = config_parse(sources, file.bytes, ret_config, error);
    mapped_file_fini(&file);
    return status;
}

/* Puts an option under its section, which is made when its first option comes. */
static void write_option(const struct config_option *option, const struct config *config,
                         struct json_doc *doc)
{
    struct json_node *root = json_doc_root(doc), *into = root;
    size_t length = strcspn(option->name, ".");
    const char *key = option->name;
    if (key[length]) {
        char section[64] = "";
        memcpy(section, key, length < sizeof section ? length : sizeof section - 1);
        into = json_node_member(root, section);
        into = into ? into : json_node_put_object(doc, root, section);
        key += length + 1;
    }
    config_value_write(option, config, doc, into, key);
}

static char *with_newline(const char *text)
{
    size_t length = strlen(text);
    char *line = malloc(length + 2);
    if (line)
        memcpy(stpcpy(line, text), "\n", 2);
    return line;
}

enum status config_format(const struct config *config, bool only_changed, char **ret_text,
                          struct error *error)
{
    size_t count;
    const struct config_option *options = config_options(&count);
    struct config *defaults;
    enum status status = create(&defaults, error);
    if (status)
        return status;
    struct json_doc *doc = json_doc_create();
    char *text = NULL, *line = NULL;
    for (size_t i = 0; doc && i < count; i++)
        if (!only_changed || !config_value_is_equal(&options[i], config, defaults))
            write_option(&options[i], config, doc);
    if (doc)
        status = json_doc_format(doc, true, &text, error);
    if (!status)
        line = text ? with_newline(text) : NULL;
    if (!status && !line)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the configuration's text");
    if (!status)
        *ret_text = line;
    free(text);
    json_doc_destroy(doc);
    config_destroy(defaults);
    return status;
}
