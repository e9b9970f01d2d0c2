#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config/config.h"
#include "server/config/config_options.h"

/* Reads `text` as the file c.json (NULL: no file), then the rest. */
static enum status load(const char *text, const char *const *environment,
                        const struct config_setting *settings, size_t setting_count,
                        struct config **ret_config, struct error *error)
{
    const struct config_sources sources = {.file = text ? "c.json" : NULL,
                                           /* As environ, whose strings nobody writes to. */
                                           .environment = (char *const *)(uintptr_t)environment,
                                           .setting_count = setting_count,
                                           .settings = settings};
    struct span span = {(const uint8_t *)text, text ? strlen(text) : 0};
    return config_parse(&sources, span, ret_config, error);
}

static struct config *must_load(const char *text, const char *const *environment,
                                const struct config_setting *settings, size_t setting_count)
{
    struct config *config = NULL;
    struct error error = {0};
    if (load(text, environment, settings, setting_count, &config, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return config;
}

/* Destroys the configuration. */
static void assert_changed(struct config *config, const char *expected)
{
    char *text = NULL;
    assert_int_equal(config_format(config, true, &text, NULL), STATUS_OK);
    assert_string_equal(text, expected);
    free(text);
    config_destroy(config);
}

static void defaults_are_those_that_the_struct_promises(void **state)
{
    (void)state;
    struct config *config = must_load(NULL, NULL, NULL, 0);
    assert_string_equal(config->server.host, "localhost");
    assert_int_equal(config->server.port, 8080);
    assert_int_equal(config->server.event_threads, 0);
    assert_int_equal(config->server.max_connections, 1000);
    assert_int_equal(config->server.max_requests, 1000);
    assert_int_equal(config->server.header_timeout_ms, 10000);
    assert_int_equal(config->server.body_timeout_ms, 30000);
    assert_int_equal(config->server.send_timeout_ms, 30000);
    assert_int_equal(config->server.idle_timeout_ms, 75000);
    assert_int_equal(config->server.request_timeout_ms, 30000);
    assert_int_equal(config->server.drain_delay_ms, 5000);
    assert_int_equal(config->server.drain_timeout_ms, 20000);
    assert_false(config->server.allow_half_close);
    assert_true(config->server.page);
    assert_int_equal(config->limits.memory_bytes, 512 << 20);
    assert_int_equal(config->limits.body_bytes, 32 << 20);
    assert_int_equal(config->limits.images, 64);
    assert_int_equal(config->limits.image_side_px, 20000);
    assert_int_equal(config->limits.image_pixels, 100000000);
    assert_int_equal(config->limits.decode_memory_bytes, 768 << 20);
    assert_int_equal(config->models.count, 1);
    assert_string_equal(config->models.values[0], "demo");
    assert_int_equal(config->model.dirs.count, 0);
    assert_string_equal(config->model.catalogue, "");
    assert_int_equal(config->engine.threads, 0);
    assert_string_equal(config->engine.kernels, "auto");
    assert_int_equal(config->engine.max_batch, 8);
    assert_int_equal(config->engine.max_queue_delay_us, 0);
    assert_true(config->engine.lock_memory);
    assert_true(config->engine.self_check);
    assert_int_equal(config->prepare.threads, 0);
    assert_true(config->prepare.orient);
    assert_false(config->prepare.scale_dct);
    assert_true(config->fetch.enabled);
    assert_int_equal(config->fetch.max_bytes, 32 << 20);
    assert_int_equal(config->fetch.timeout_ms, 10000);
    assert_int_equal(config->fetch.connect_timeout_ms, 3000);
    assert_int_equal(config->fetch.max_redirects, 3);
    assert_int_equal(config->fetch.max_concurrent, 64);
    assert_int_equal(config->fetch.max_concurrent_per_host, 8);
    assert_int_equal(config->fetch.allow_hosts.count, 0);
    assert_int_equal(config->fetch.allow_networks.count, 0);
    assert_int_equal(config->fetch.allow_ports.count, 0);
    assert_string_equal(config->fetch.ca_file, "");
    assert_string_equal(config->fetch.proxy, "");
    assert_string_equal(config->log.level, "info");
    assert_string_equal(config->log.format, "auto");
    assert_changed(config, "{}\n");
}

/* A value that is not the default, as text and as JSON. */
static void other_value(const struct config_option *option, char *ret_text, char *ret_json,
                        size_t size)
{
    bool is_least = strtoll(option->preset, NULL, 10) == option->min;
    switch (option->kind) {
    case CONFIG_INTEGER:
        (void)snprintf(ret_text, size, "%lld", (long long)(is_least ? option->max : option->min));
        (void)snprintf(ret_json, size, "%s", ret_text);
        break;
    case CONFIG_BOOLEAN:
        (void)snprintf(ret_text, size, "%s", *option->preset == 't' ? "false" : "true");
        (void)snprintf(ret_json, size, "%s", ret_text);
        break;
    case CONFIG_TEXT:
        (void)snprintf(ret_text, size, "a, \"b\"=\xc3\xa9");
        (void)snprintf(ret_json, size, "\"a, \\\"b\\\"=\xc3\xa9\"");
        break;
    case CONFIG_CHOICE:
        (void)snprintf(ret_text, size, "%s", option->choices[2]);
        (void)snprintf(ret_json, size, "\"%s\"", option->choices[2]);
        break;
    case CONFIG_LIST:
        (void)snprintf(ret_text, size, "x y%cz=1", option->separator);
        (void)snprintf(ret_json, size, "[\"x y\", \"z=1\"]");
        break;
    case CONFIG_INTEGERS:
        (void)snprintf(ret_text, size, "%lld,%lld", (long long)option->min, (long long)option->max);
        (void)snprintf(ret_json, size, "[%lld, %lld]", (long long)option->min,
                       (long long)option->max);
        break;
    }
}

/* A document with that option alone, and without what it may not be without. */
static void document_of(const struct config_option *option, const char *json, char *ret_text,
                        size_t size)
{
    const char *key = strchr(option->name, '.');
    if (strcmp(option->name, "fetch.proxy") == 0)
        (void)snprintf(ret_text, size, "{\"fetch\": {\"allow_hosts\": [\"h\"], \"proxy\": %s}}",
                       json);
    else if (key)
        (void)snprintf(ret_text, size, "{\"%.*s\": {\"%s\": %s}}", (int)(key - option->name),
                       option->name, key + 1, json);
    else
        (void)snprintf(ret_text, size, "{\"%s\": %s}", option->name, json);
}

/* The changed options without white space outside of strings. */
static void squeeze(char *text)
{
    char *end = text;
    bool is_string = false;
    for (const char *at = text; *at; at++) {
        is_string ^= *at == '"' && (at == text || at[-1] != '\\');
        if (is_string || (*at != ' ' && *at != '\n'))
            *end++ = *at;
    }
    *end = '\0';
}

/* Destroys the configuration. */
static void assert_only_change(struct config *config, const char *document)
{
    char *text = NULL, expected[512];
    (void)snprintf(expected, sizeof expected, "%s", document);
    assert_int_equal(config_format(config, true, &text, NULL), STATUS_OK);
    squeeze(text);
    squeeze(expected);
    assert_string_equal(text, expected);
    free(text);
    config_destroy(config);
}

/* Two limits cannot be over a third; to be that small the others must be, too. */
static bool is_bound_to_others(const char *name)
{
    return strcmp(name, "limits.memory_bytes") == 0;
}

static void every_option_is_set_by_file_environment_and_setting(void **state)
{
    (void)state;
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        char value[128], json[128], document[512], variable[CONFIG_OPTIONS_VARIABLE_BYTES],
            assignment[256];
        bool is_proxy = strcmp(options[i].name, "fetch.proxy") == 0;
        other_value(&options[i], value, json, sizeof value);
        if (is_bound_to_others(options[i].name)) {
            (void)snprintf(value, sizeof value, "1099511627776");
            (void)snprintf(json, sizeof json, "1099511627776");
        }
        document_of(&options[i], json, document, sizeof document);
        assert_only_change(must_load(document, NULL, NULL, 0), document);

        config_options_variable(&options[i], variable);
        (void)snprintf(assignment, sizeof assignment, "%s=%s", variable, value);
        const char *const environment[] = {assignment,
                                           is_proxy ? "CLASSIFYD_FETCH_ALLOW_HOSTS=h" : NULL, NULL};
        assert_only_change(must_load(NULL, environment, NULL, 0), document);

        const struct config_setting settings[] = {{options[i].name, value, NULL},
                                                  {"fetch.allow_hosts", "h", NULL}};
        assert_only_change(must_load(NULL, NULL, settings, is_proxy ? 2 : 1), document);
    }
}

static void later_sources_win(void **state)
{
    (void)state;
    const char *file = "{\"server\": {\"port\": 1}, \"models\": [\"a\", \"b\"]}";
    const char *const environment[] = {"PATH=/bin", "CLASSIFYD_SERVER_PORT=2", "CLASSIFYD_MODELS=c",
                                       NULL};
    const struct config_setting settings[] = {{"server.port", "3", NULL},
                                              {"server.port", "4", "--port"}};
    struct config *config = must_load(file, environment, settings, 2);
    assert_int_equal(config->server.port, 4);
    assert_int_equal(config->models.count, 1);
    assert_string_equal(config->models.values[0], "c");
    config_destroy(config);
    config = must_load(file, environment, settings, 1);
    assert_int_equal(config->server.port, 3);
    config_destroy(config);
    config = must_load(file, environment, NULL, 0);
    assert_int_equal(config->server.port, 2);
    config_destroy(config);
    config = must_load(file, NULL, NULL, 0);
    assert_int_equal(config->server.port, 1);
    assert_int_equal(config->models.count, 2);
    assert_string_equal(config->models.values[1], "b");
    config_destroy(config);
}

static void foreign_variables_are_left_alone(void **state)
{
    (void)state;
    /* The last four are what Kubernetes sets for a service called classifyd. */
    const char *const environment[] = {"CLASSIFYD=x",
                                       "CLASSIFYD_",
                                       "CLASSIFYD_HOME=/x",
                                       "CLASSIFYD_MODELSX=1",
                                       "CLASSIFYD_MODELS_DIR=1",
                                       "classifyd_server_port=1",
                                       "XCLASSIFYD_SERVER_PORT=1",
                                       "CLASSIFYD_SERVER_PORT",
                                       "",
                                       "CLASSIFYD_SERVICE_HOST=10.0.0.1",
                                       "CLASSIFYD_SERVICE_PORT=80",
                                       "CLASSIFYD_PORT=tcp://10.0.0.1:80",
                                       "CLASSIFYD_PORT_80_TCP_ADDR=10.0.0.1",
                                       NULL};
    assert_changed(must_load(NULL, environment, NULL, 0), "{}\n");
}

static void lists_are_parted_by_commas_and_folders_by_colons(void **state)
{
    (void)state;
    const char *const environment[] = {
        "CLASSIFYD_FETCH_ALLOW_PORTS=80, 0443 ,65535",
        "CLASSIFYD_FETCH_ALLOW_HOSTS=", "CLASSIFYD_MODELS= demo , pets=/a b/p.pth",
        "CLASSIFYD_MODEL_DIRS=:/a,b::/c d :", NULL};
    struct config *config =
        must_load("{\"fetch\": {\"allow_hosts\": [\"x\"]}}", environment, NULL, 0);
    assert_int_equal(config->fetch.allow_ports.count, 3);
    assert_string_equal(config->fetch.allow_ports.values[0], "80");
    assert_string_equal(config->fetch.allow_ports.values[1], "443");
    assert_string_equal(config->fetch.allow_ports.values[2], "65535");
    assert_int_equal(config->fetch.allow_hosts.count, 0);
    assert_int_equal(config->models.count, 2);
    assert_string_equal(config->models.values[0], "demo");
    assert_string_equal(config->models.values[1], "pets=/a b/p.pth");
    assert_int_equal(config->model.dirs.count, 2);
    assert_string_equal(config->model.dirs.values[0], "/a,b");
    assert_string_equal(config->model.dirs.values[1], "/c d ");
    config_destroy(config);
}

static void assert_refused(const char *text, const char *const *environment, const char *name,
                           const char *value, const char *message)
{
    struct config *config = NULL;
    struct error error = {0};
    const struct config_setting setting = {name, value, NULL};
    enum status status = load(text, environment, &setting, name ? 1 : 0, &config, &error);
    assert_int_equal(status, STATUS_BAD_REQUEST);
    assert_null(config);
    assert_string_equal(error.text, message);
}

static void faults_of_the_file_name_line_and_key(void **state)
{
    (void)state;
    const struct {
        const char *text, *message;
    } cases[] = {
        {"{\n\n\"server\": {\n\"prot\": 1}}",
         "c.json:4: server.prot: unknown option; did you mean server.port?"},
        {"{\"sever\":\n{\"port\": 1}}", "c.json:1: sever: unknown option; did you mean server?"},
        {"{\"port\": 1}", "c.json:1: port: unknown option; did you mean server.port?"},
        {"{\"zzz\": 1}", "c.json:1: zzz: unknown option"},
        {"{\"a\\nb\": 1}", "c.json:1: a?b: unknown option"},
        {"{\"server.port\": 1}",
         "c.json:1: server.port: belongs into its section: {\"server\": {\"port\": ...}}"},
        {"{\"server\": 8080}", "c.json:1: server: wants an object, not a whole number"},
        {"{\"model\": [\"demo\"]}", "c.json:1: model: wants an object, not an array"},
        {"{\"server\": {\"port\": \"8080\"}}",
         "c.json:1: server.port: wants a whole number, not a string"},
        {"{\"server\": {\"port\": 8080.0}}",
         "c.json:1: server.port: wants a whole number, not a number with a fraction"},
        {"{\"server\": {\"port\": null}}", "c.json:1: server.port: wants a whole number, not null"},
        {"{\"server\": {\"port\": 65536}}",
         "c.json:1: server.port: 65536 is out of range: 0 to 65535"},
        {"{\"server\": {\"port\": -1}}", "c.json:1: server.port: -1 is out of range: 0 to 65535"},
        {"{\"server\": {\"idle_timeout_ms\":\n 9}}",
         "c.json:1: server.idle_timeout_ms: 9 is out of range: 10 to 3600000 ms"},
        {"{\"server\": {\"page\": 1}}",
         "c.json:1: server.page: wants true or false, not a whole number"},
        {"{\"server\": {\"host\": true}}", "c.json:1: server.host: wants a string, not a boolean"},
        {"{\"server\": {\"host\": \"a\\u0007\"}}",
         "c.json:1: server.host: holds a control character or is not valid UTF-8"},
        {"{\"log\": {\"level\": \"wran\"}}",
         "c.json:1: log.level: \"wran\" is not debug, info, warn or error; did you mean warn?"},
        {"{\"log\": {\"level\": \"loud\"}}",
         "c.json:1: log.level: \"loud\" is not debug, info, warn or error"},
        {"{\"log\": {\"format\": {}}}",
         "c.json:1: log.format: wants auto, logfmt or json, not an object"},
        {"{\"models\": \"demo\"}", "c.json:1: models: wants an array of strings, not a string"},
        {"{\"models\": []}", "c.json:1: models: is empty, but must have an entry"},
        {"{\"models\": [\"a\",\n\n\"\"]}", "c.json:3: models: entry 2: is empty"},
        {"{\"models\": [\n\"a\",\n7]}",
         "c.json:3: models: entry 2: wants a string, not a whole number"},
        {"{\"model\": {\"dirs\": [\"/a:/b\"]}}",
         "c.json:1: model.dirs: entry 1: holds a \":\", which parts entries"},
        {"{\"fetch\": {\"allow_ports\": [80,\n0]}}",
         "c.json:2: fetch.allow_ports: entry 2: 0 is out of range: 1 to 65535 each"},
        {"{\"fetch\": {\"allow_ports\": [65536]}}",
         "c.json:1: fetch.allow_ports: entry 1: 65536 is out of range: 1 to 65535 each"},
        {"{\"fetch\": {\"allow_ports\": [\"80\"]}}",
         "c.json:1: fetch.allow_ports: entry 1: wants a whole number, not a string"},
        {"{\"fetch\": {\"allow_ports\": 80}}",
         "c.json:1: fetch.allow_ports: wants an array of whole numbers, not a whole number"},
        {"{\"server\": {\"port\": 1,\n\"port\": 2}}",
         "c.json:2: duplicate object key near '\"port\"'"},
        {"{\"server\":\n{},}", "c.json:2: string or '}' expected near '}'"},
        {"{\"server\": {\"port\": 9223372036854775808}}",
         "c.json:1: too big integer near '9223372036854775808'"},
        {"", "c.json:1: unexpected token near end of file"},
        {"[]", "c.json:1: wants an object of sections, not an array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].text, NULL, NULL, NULL, cases[i].message);
}

static void faults_of_the_environment_name_the_variable(void **state)
{
    (void)state;
    const struct {
        const char *assignment, *message;
    } cases[] = {
        {"CLASSIFYD_SERVER_PORT=70000", "CLASSIFYD_SERVER_PORT: 70000 is out of range: 0 to 65535"},
        {"CLASSIFYD_SERVER_PORT=99999999999999999999",
         "CLASSIFYD_SERVER_PORT: 99999999999999999999 is out of range: 0 to 65535"},
        {"CLASSIFYD_SERVER_PORT=", "CLASSIFYD_SERVER_PORT: \"\" is not a whole number"},
        {"CLASSIFYD_SERVER_PORT=80 ", "CLASSIFYD_SERVER_PORT: \"80 \" is not a whole number"},
        {"CLASSIFYD_SERVER_PORT=+80", "CLASSIFYD_SERVER_PORT: \"+80\" is not a whole number"},
        {"CLASSIFYD_SERVER_PORT=-", "CLASSIFYD_SERVER_PORT: \"-\" is not a whole number"},
        {"CLASSIFYD_LIMITS_BODY_BYTES=32M",
         "CLASSIFYD_LIMITS_BODY_BYTES: \"32M\" is not a whole number"},
        {"CLASSIFYD_SERVER_PAGE=yes", "CLASSIFYD_SERVER_PAGE: \"yes\" is neither true nor false"},
        {"CLASSIFYD_LOG_FORMAT=", "CLASSIFYD_LOG_FORMAT: \"\" is not auto, logfmt or json"},
        {"CLASSIFYD_SERVER_HOST=\xff",
         "CLASSIFYD_SERVER_HOST: holds a control character or is not valid UTF-8"},
        {"CLASSIFYD_MODELS=", "CLASSIFYD_MODELS: is empty, but must have an entry"},
        {"CLASSIFYD_MODELS=a,,b", "CLASSIFYD_MODELS: entry 2: is empty"},
        {"CLASSIFYD_MODELS=a,", "CLASSIFYD_MODELS: entry 2: is empty"},
        {"CLASSIFYD_FETCH_ALLOW_PORTS=80,http",
         "CLASSIFYD_FETCH_ALLOW_PORTS: entry 2: \"http\" is not a whole number"},
        {"CLASSIFYD_SERVER_PROT=1",
         "CLASSIFYD_SERVER_PROT: unknown option; did you mean CLASSIFYD_SERVER_PORT?"},
        {"CLASSIFYD_LOG_ZZZZ=1", "CLASSIFYD_LOG_ZZZZ: unknown option"},
        {"CLASSIFYD_MODEL_DIR=1",
         "CLASSIFYD_MODEL_DIR: unknown option; did you mean CLASSIFYD_MODEL_DIRS?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const environment[] = {cases[i].assignment, NULL};
        assert_refused(NULL, environment, NULL, NULL, cases[i].message);
    }
}

static void faults_of_settings_name_their_origin(void **state)
{
    (void)state;
    assert_refused(NULL, NULL, "server.prot", "1",
                   "--set: server.prot: unknown option; did you mean server.port?");
    assert_refused(NULL, NULL, "server.port", "x",
                   "--set: server.port: \"x\" is not a whole number");
    assert_refused(NULL, NULL, "server", "x",
                   "--set: server: unknown option; did you mean server.host?");
}

static void values_are_judged_together(void **state)
{
    (void)state;
    assert_refused("{\"limits\": {\"memory_bytes\": 40000000, \"body_bytes\": 40000001}}", NULL,
                   NULL, NULL,
                   "limits.body_bytes: 40000001 is over limits.memory_bytes (40000000), so that "
                   "such a body could never be taken");
    const char *small = "{\"limits\": {\"memory_bytes\": 1000000, \"body_bytes\": 1000000}}";
    assert_refused(small, NULL, NULL, NULL,
                   "fetch.max_bytes: 33554432 is over limits.memory_bytes (1000000), so that such "
                   "an image could never be taken");
    const struct config_setting no_fetch = {"fetch.enabled", "false", NULL};
    config_destroy(must_load(small, NULL, &no_fetch, 1));
    assert_refused("{\"fetch\": {\"proxy\": \"http://p\"}}", NULL, NULL, NULL,
                   "fetch.proxy: needs fetch.allow_hosts, for behind a proxy the address of a host "
                   "cannot be judged");
}

static void faults_of_all_sources_are_told_together(void **state)
{
    (void)state;
    const char *const environment[] = {"CLASSIFYD_ENGINE_THREADS=-1", NULL};
    assert_refused("{\"server\": {\"port\": -1,\n \"page\": 0},\n \"log\": {\"x\": 1}}",
                   environment, "models", "",
                   "c.json:1: server.port: -1 is out of range: 0 to 65535\n"
                   "c.json:2: server.page: wants true or false, not a whole number\n"
                   "c.json:3: log.x: unknown option\n"
                   "CLASSIFYD_ENGINE_THREADS: -1 is out of range: 0 to 1024\n"
                   "--set: models: is empty, but must have an entry");
}

static void many_faults_are_counted(void **state)
{
    (void)state;
    enum { COUNT = 10000, SIZE = COUNT * 16 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    size_t used = (size_t)snprintf(text, SIZE, "{\"z\": 1");
    for (int i = 1; i < COUNT; i++)
        used += (size_t)snprintf(text + used, SIZE - used, ",\"z%d\": 1", i);
    (void)snprintf(text + used, SIZE - used, "}");
    struct config *config = NULL;
    struct error error = {0};
    assert_int_equal(load(text, NULL, NULL, 0, &config, &error), STATUS_BAD_REQUEST);
    size_t lines = 0;
    for (const char *at = error.text; (at = strchr(at, '\n')); at++)
        lines++;
    char last[64];
    (void)snprintf(last, sizeof last, "\nand %zu more faults", COUNT - lines);
    assert_non_null(strstr(error.text, last));
    free(text);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    char text[3000] = "{\"fetch\": {\"allow_ports\": [1";
    for (int i = 1; i < CONFIG_OPTIONS_MAX_ENTRIES; i++)
        strcat(text, ",1");
    char over[sizeof text + 16];
    (void)snprintf(over, sizeof over, "%s,1]}}", text);
    strcat(text, "]}}");
    struct config *config = must_load(text, NULL, NULL, 0);
    assert_int_equal(config->fetch.allow_ports.count, CONFIG_OPTIONS_MAX_ENTRIES);
    config_destroy(config);
    assert_refused(over, NULL, NULL, NULL,
                   "c.json:1: fetch.allow_ports: has more than 256 entries");

    char *value = malloc(CONFIG_OPTIONS_MAX_TEXT_BYTES + 1);
    assert_non_null(value);
    memset(value, 'a', CONFIG_OPTIONS_MAX_TEXT_BYTES);
    value[CONFIG_OPTIONS_MAX_TEXT_BYTES] = '\0';
    assert_refused(NULL, NULL, "server.host", value,
                   "--set: server.host: has 4096 bytes, the limit is 4095");
    assert_refused(NULL, NULL, "models", value,
                   "--set: models: entry 1: has 4096 bytes, the limit is 4095");
    const struct config_setting setting = {"server.host", value + 1, NULL};
    config_destroy(must_load(NULL, NULL, &setting, 1));
    free(value);
}

static void what_is_formatted_loads_again(void **state)
{
    (void)state;
    struct config *config =
        must_load("{\"models\": [\"a,b\", \" c \"], \"fetch\": {\"allow_ports\":"
                  " [8080, 80]}, \"log\": {\"level\": \"debug\"}}",
                  NULL, NULL, 0);
    for (int only_changed = 0; only_changed < 2; only_changed++) {
        char *text = NULL, *again = NULL;
        assert_int_equal(config_format(config, only_changed, &text, NULL), STATUS_OK);
        struct config *copy = must_load(text, NULL, NULL, 0);
        assert_int_equal(config_format(copy, only_changed, &again, NULL), STATUS_OK);
        assert_string_equal(again, text);
        assert_string_equal(copy->models.values[1], " c ");
        config_destroy(copy);
        free(again);
        free(text);
    }
    assert_changed(config, "{\n  \"models\": [\n    \"a,b\",\n    \" c \"\n  ],\n  \"fetch\": {\n"
                           "    \"allow_ports\": [\n      8080,\n      80\n    ]\n  },\n"
                           "  \"log\": {\n    \"level\": \"debug\"\n  }\n}\n");
}

static void files_are_read(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config_XXXXXX", expected[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"server\":\n {\"port\": 7}}", 24), 24);
    struct config_sources sources = {.file = path};
    struct config *config = NULL;
    struct error error = {0};
    assert_int_equal(config_load(&sources, &config, &error), STATUS_OK);
    assert_int_equal(config->server.port, 7);
    config_destroy(config);
    config = NULL;
    assert_int_equal(pwrite(fd, "x", 1, 14), 1);
    assert_int_equal(config_load(&sources, &config, &error), STATUS_BAD_REQUEST);
    (void)snprintf(expected, sizeof expected,
                   "%s:2: server.xort: unknown option; did you mean "
                   "server.port?",
                   path);
    assert_string_equal(error.text, expected);
    close(fd);
    unlink(path);
    error = (struct error){0};
    assert_int_equal(config_load(&sources, &config, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, path));
    sources.file = "/tmp";
    error = (struct error){0};
    assert_int_equal(config_load(&sources, &config, &error), STATUS_IO);
    assert_null(config);
}

static void nothing_may_be_destroyed(void **state)
{
    (void)state;
    config_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_that_the_struct_promises),
        cmocka_unit_test(every_option_is_set_by_file_environment_and_setting),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(foreign_variables_are_left_alone),
        cmocka_unit_test(lists_are_parted_by_commas_and_folders_by_colons),
        cmocka_unit_test(faults_of_the_file_name_line_and_key),
        cmocka_unit_test(faults_of_the_environment_name_the_variable),
        cmocka_unit_test(faults_of_settings_name_their_origin),
        cmocka_unit_test(values_are_judged_together),
        cmocka_unit_test(faults_of_all_sources_are_told_together),
        cmocka_unit_test(many_faults_are_counted),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(what_is_formatted_loads_again),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(nothing_may_be_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
