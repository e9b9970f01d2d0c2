/* classifyd serve: the HTTP service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/commands/command_table.h"
#include "server/commands/serving.h"
#include "server/config/config_table.h"

/* --set, and the options that are short for one. */
enum { MAX_SETTINGS = 2 * COMMAND_MAX_LIST };

struct settings {
    size_t count;
    struct config_setting list[MAX_SETTINGS];
    char *owned[MAX_SETTINGS]; /* names of --set, and the joined models */
    size_t owned_count;
};

static void settings_fini(struct settings *settings)
{
    for (size_t i = 0; i < settings->owned_count; i++)
        free(settings->owned[i]);
}

static void add(struct settings *settings, const char *name, const char *value, const char *origin)
{
    if (value)
        settings->list[settings->count++] = (struct config_setting){name, value, origin};
}

/* "server.port=9000". */
static enum status add_assignment(struct settings *settings, const char *text, struct error *error)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return error_set(error, STATUS_BAD_REQUEST,
                         "--set wants NAME=VALUE, such as server.port=9000, not \"%s\"", text);
    char *name = strndup(text, (size_t)(equals - text));
    if (!name)
        return error_set(error, STATUS_NO_MEMORY, "no memory for --set");
    settings->owned[settings->owned_count++] = name;
    add(settings, name, equals + 1, NULL);
    return STATUS_OK;
}

/* Each --model is one entry of the list. */
static enum status add_models(struct settings *settings, const struct command_call *call,
                              struct error *error)
{
    const char *const *models;
    size_t count = command_texts(call, "model", &models), size = 1;
    for (size_t i = 0; i < count; i++)
        size += strlen(models[i]) + 1;
    if (count == 0)
        return STATUS_OK;
    char *joined = calloc(1, size);
    if (!joined)
        return error_set(error, STATUS_NO_MEMORY, "no memory for --model");
    settings->owned[settings->owned_count++] = joined;
    char *end = joined;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *end++ = ',';
        end = stpcpy(end, models[i]);
    }
    add(settings, "models", joined, "--model");
    return STATUS_OK;
}

static enum status collect_settings(struct settings *settings, const struct command_call *call,
                                    struct error *error)
{
    const char *const *assignments;
    size_t count = command_texts(call, "set", &assignments);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = add_assignment(settings, assignments[i], error);
    if (status)
        return status;
    add(settings, "model.dirs", command_text(call, "model-dirs"), "--model-dirs");
    add(settings, "model.catalogue", command_text(call, "catalogue"), "--catalogue");
    add(settings, "model.cache", command_flag(call, "no-cache") ? "off" : NULL, "--no-cache");
    add(settings, "engine.precision", command_text(call, "precision"), "--precision");
    add(settings, "engine.kernels", command_text(call, "kernels"), "--kernels");
    add(settings, "server.host", command_text(call, "host"), "--host");
    add(settings, "server.port", command_text(call, "port"), "--port");
    return add_models(settings, call, error);
}

static enum status load(const struct command_call *call, struct config **ret_config,
                        struct error *error)
{
    struct settings settings = {0};
    enum status status = collect_settings(&settings, call, error);
    if (!status) {
        struct config_sources sources = {.file = command_text(call, "config"),
                                         .environment = environ,
                                         .setting_count = settings.count,
                                         .settings = settings.list};
        status = config_load(&sources, ret_config, error);
    }
    settings_fini(&settings);
    return status;
}

/* Each fault of a configuration is a line. */
static void complain_by_line(const struct command_call *call, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        command_complain(call, "%.*s", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static int run(const struct command_call *call)
{
    if (command_flag(call, "print-options")) {
        config_table_print(stdout, CONFIG_TABLE_TEXT);
        return COMMAND_OK;
    }
    struct config *config = NULL;
    struct error error = {0};
    enum status status = load(call, &config, &error);
    if (!status)
        status = serving_check(config, &error);
    if (status) {
        complain_by_line(call, error.text);
        config_destroy(config);
        return status == STATUS_BAD_REQUEST ? COMMAND_USAGE : COMMAND_FAILED;
    }
    if (command_flag(call, "check-config")) {
        char *text = NULL;
        status = config_format(config, false, &text, &error);
        if (!status)
            fputs(text, stdout);
        free(text);
    } else {
        status = serving_run(config, &error);
    }
    if (status)
        command_complain(call, "%s", error.text);
    config_destroy(config);
    return status ? COMMAND_FAILED : COMMAND_OK;
}

const struct command serve_command = {
    .name = "serve",
    .summary = "answer over HTTP",
    .description =
        "Serves /classify, a page to try it, health checks and metrics until it is stopped: "
        "SIGTERM "
        "answers what is under way after a delay in which readiness says no "
        "(server.drain_delay_ms), SIGINT (Ctrl-C) without it; a second signal ends it at once.\n\n"
        "Options come from the file of --config, then from the environment "
        "(CLASSIFYD_SERVER_PORT is server.port), then from --set, then from the options here; what "
        "comes later wins. --print-options lists them all.\n\n"
        "There is no authentication: put the service behind something that has it before others "
        "can "
        "reach it.",
    .options =
        (const struct command_option[]){
            {COMMAND_TEXTS, "model", 'm', COMMAND_HINT_MODEL, .value = "[NAME=]MODEL",
             .help = "a model to serve, under a name of its own where one is given; may be "
                     "repeated, the first is the default (demo)"},
            {COMMAND_TEXT, "port", 'p', COMMAND_HINT_NONE, .value = "N",
             .help = "where to listen (8080); 0 is any free port"},
            {COMMAND_TEXT, "host", 0, COMMAND_HINT_NONE, .value = "HOST",
             .help = "the address to listen on (localhost); \"*\" is every one"},
            {COMMAND_TEXT, "config", 'c', COMMAND_HINT_FILE, .value = "FILE",
             .help = "a configuration file, JSON"},
            {COMMAND_TEXTS, "set", 's', COMMAND_HINT_NONE, .value = "NAME=VALUE",
             .help = "an option of the configuration, such as server.port=9000; may be repeated"},
            /* Without presets, which would win over the file's and the environment's. */
            {COMMAND_CHOICE, "precision", 0, COMMAND_HINT_NONE, .value = "P",
             .choices = command_precisions,
             .help = "the arithmetic of the convolutions; int8 needs a calibrated model"},
            {COMMAND_CHOICE, "kernels", 0, COMMAND_HINT_NONE, .value = "SET",
             .choices = command_kernel_sets, .help = "the kernels that compute"},
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_NO_CACHE,
            {COMMAND_FLAG, "check-config", 0, COMMAND_HINT_NONE,
             .help = "read the configuration, print it whole and end"},
            {COMMAND_FLAG, "print-options", 0, COMMAND_HINT_NONE,
             .help = "list every option of the configuration and end"},
            COMMAND_OPTION_END,
        },
    .exit_failed = "the service could not be started",
    .examples =
        (const struct command_example[]){
            {"classifyd serve", "The demo model on http://localhost:8080"},
            {"classifyd serve --model resnet50 --host '*' --port 80", "ResNet-50 for everyone"},
            {"classifyd serve --model ./resnet50-V2-int8.safetensors --precision int8",
             "What classifyd quantize wrote, in 8-bit integers"},
            {"classifyd serve --config classifyd.json --set log.level=debug", "From a file"},
            {NULL, NULL},
        },
    .run = run,
};
