#include "server/config/config_environment.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "server/config/config_options.h"
#include "server/config/config_value.h"

static const char prefix[] = "CLASSIFYD_";

static const struct config_option *find_option(const char *variable)
{
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        char own[CONFIG_OPTIONS_VARIABLE_BYTES];
        config_options_variable(&options[i], own);
        if (strcmp(own, variable) == 0)
            return &options[i];
    }
    return NULL;
}

/* "server.prot" of "CLASSIFYD_SERVER_PROT"; false where no section is called like that. */
static bool name_option(const char *variable, char ret_name[CONFIG_OPTIONS_VARIABLE_BYTES])
{
    (void)snprintf(ret_name, CONFIG_OPTIONS_VARIABLE_BYTES, "%.90s", variable + strlen(prefix));
    for (char *at = ret_name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    size_t length = strcspn(ret_name, "_");
    if (ret_name[length] == '\0' || !config_options_is_section(ret_name, length))
        return false;
    ret_name[length] = '.';
    return true;
}

static void refuse_variable(const char *variable, const char *name, struct config_faults *faults)
{
    const char *nearest = config_options_nearest(name);
    char meant[CONFIG_OPTIONS_VARIABLE_BYTES] = "";
    if (nearest)
        config_options_variable(config_options_find(nearest), meant);
    config_faults_add(faults, "%.100s: unknown option%s%s%s", variable,
                      nearest ? "; did you mean " : "", meant, nearest ? "?" : "");
}

static enum status read_variable(const char *variable, const char *value, struct config *config,
                                 struct config_faults *faults, struct error *error)
{
    const struct config_option *option = find_option(variable);
    char name[CONFIG_OPTIONS_VARIABLE_BYTES];
    if (!option) {
        if (name_option(variable, name))
            refuse_variable(variable, name, faults);
        return STATUS_OK;
    }
    struct error reason = {0};
    enum status status = config_value_read_text(option, value, config, &reason);
    if (status == STATUS_BAD_REQUEST) {
        config_faults_add(faults, "%s: %s", variable, reason.text);
        return STATUS_OK;
    }
    return status ? error_set(error, status, "%s", reason.text) : STATUS_OK;
}

enum status config_environment_read(char *const *environment, struct config *config,
                                    struct config_faults *faults, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; environment[i] && !status; i++) {
        const char *equals = strchr(environment[i], '=');
        char variable[256]; /* more than any option's and what a message shows */
        if (!equals || strncmp(environment[i], prefix, strlen(prefix)) != 0)
            continue;
        (void)snprintf(variable, sizeof variable, "%.*s", (int)(equals - environment[i]),
                       environment[i]);
        status = read_variable(variable, equals + 1, config, faults, error);
    }
    return status;
}
