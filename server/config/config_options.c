#include "server/config/config_options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "model/base/nearest.h"

#define MIB         ((int64_t)1 << 20)
#define TIB         ((int64_t)1 << 40)
#define HOUR_MS     3600000
#define MAX_THREADS 1024

/* The field's place; does not compile where its type is not the kind's. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type's name cannot stand in parentheses */
#define OFFSET(field, type)                                                                        \
    _Generic(((struct config *)0)->field, type : offsetof(struct config, field))
/* NOLINTEND(bugprone-macro-parentheses) */

#define INTEGER(field, default_value, from, to, unit_name, help_text)                              \
    {                                                                                              \
        .name = #field, .kind = CONFIG_INTEGER, .offset = OFFSET(field, int64_t),                  \
        .preset = (default_value), .min = (from), .max = (to), .unit = (unit_name),                \
        .help = (help_text)                                                                        \
    }
#define BOOLEAN(field, default_value, help_text)                                                   \
    {                                                                                              \
        .name = #field, .kind = CONFIG_BOOLEAN, .offset = OFFSET(field, bool),                     \
        .preset = (default_value), .unit = "", .help = (help_text)                                 \
    }
#define TEXT(field, default_value, help_text)                                                      \
    {                                                                                              \
        .name = #field, .kind = CONFIG_TEXT, .offset = OFFSET(field, const char *),                \
        .preset = (default_value), .unit = "", .help = (help_text)                                 \
    }
#define CHOICE(field, default_value, choice_list, help_text)                                       \
    {                                                                                              \
        .name = #field, .kind = CONFIG_CHOICE, .offset = OFFSET(field, const char *),              \
        .preset = (default_value), .choices = (choice_list), .unit = "", .help = (help_text)       \
    }
#define LIST(field, default_value, must_have_entry, separator_byte, help_text)                     \
    {                                                                                              \
        .name = #field, .kind = CONFIG_LIST, .offset = OFFSET(field, struct config_list),          \
        .preset = (default_value), .is_needed = (must_have_entry), .separator = (separator_byte),  \
        .unit = "", .help = (help_text)                                                            \
    }
#define INTEGERS(field, default_value, from, to, help_text)                                        \
    {                                                                                              \
        .name = #field, .kind = CONFIG_INTEGERS, .offset = OFFSET(field, struct config_list),      \
        .preset = (default_value), .min = (from), .max = (to), .separator = ',', .unit = "",       \
        .help = (help_text)                                                                        \
    }

static const char *const precisions[] = {"auto", "float32", "bf16", "int8", NULL};
static const char *const kernel_sets[] = {"auto", "generic", "blas", "avx2", "avx512", "amx", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"auto", "logfmt", "json", NULL};

static const char *const sections[] = {"server",  "limits", "model", "engine",
                                       "prepare", "fetch",  "log"};

static const struct config_option options[] = {
    TEXT(server.host, "localhost",
         "a name or an address to listen on; localhost is both loopbacks, empty every address"),
    INTEGER(server.port, "8080", 0, 65535, "", "the port to listen on; 0: any that is free"),
    INTEGER(server.event_threads, "0", 0, 64, "",
            "threads that read requests and write answers; 0: by the CPUs"),
    INTEGER(server.max_connections, "1000", 1, 1000000, "",
            "open connections; a few more are kept for health probes"),
    INTEGER(server.max_requests, "1000", 1, 1000000, "",
            "requests admitted and not yet answered; one more is told 503"),
    INTEGER(server.header_timeout_ms, "10000", 10, HOUR_MS, "ms",
            "for a request's header, from the connection's start or the request's first line"),
    INTEGER(server.body_timeout_ms, "30000", 10, HOUR_MS, "ms", "for a request's body"),
    INTEGER(server.send_timeout_ms, "30000", 10, HOUR_MS, "ms", "for a client to take its answer"),
    INTEGER(server.idle_timeout_ms, "75000", 10, HOUR_MS, "ms",
            "between two requests on a connection"),
    INTEGER(server.request_timeout_ms, "30000", 10, HOUR_MS, "ms",
            "from a request's last byte to its answer"),
    INTEGER(server.drain_delay_ms, "5000", 0, HOUR_MS, "ms",
            "after SIGTERM: still serving while /readyz says no"),
    INTEGER(server.drain_timeout_ms, "20000", 0, HOUR_MS, "ms",
            "after that: for the requests that are under way"),
    BOOLEAN(server.allow_half_close, "false",
            "a client that has shut down its sending side still waits for its answer"),
    BOOLEAN(server.page, "true", "serve the page at /"),

    INTEGER(limits.memory_bytes, "536870912", 65536, TIB, "bytes",
            "bodies and fetched images, all requests together"),
    INTEGER(limits.body_bytes, "33554432", 1024, TIB, "bytes", "a request's body"),
    INTEGER(limits.images, "64", 1, 1024, "", "images in one request"),
    INTEGER(limits.image_side_px, "20000", 1, 65535, "px", "an image's width and height"),
    INTEGER(limits.image_pixels, "100000000", 1, 1000000000, "px", "an image's width times height"),
    INTEGER(limits.decode_memory_bytes, "805306368", MIB, TIB, "bytes",
            "pixels being decoded, all images together"),

    LIST(models, "demo", true, ',',
         "the models to serve, as NAME or NAME=SOURCE (pets=/models/pets.pth); the first is the "
         "default"),
    LIST(model.dirs, "", false, ':',
         "folders where weight files are looked for; none: ~/.local/share/classifyd/models and "
         "other usual places"),
    TEXT(model.catalogue, "", "a catalogue of models instead of the built-in one"),
    TEXT(
        model.cache, "auto",
        "where packed weights are kept for the next start: auto, beside the weight file or else in "
        "~/.cache/classifyd; off; or a folder"),

    INTEGER(engine.threads, "0", 0, MAX_THREADS, "",
            "threads that compute; 0: the CPUs that this process may use"),
    CHOICE(engine.kernels, "auto", kernel_sets, "the kernels that compute"),
    CHOICE(engine.precision, "auto", precisions,
           "the arithmetic of the convolutions; int8 needs calibrated models"),
    INTEGER(engine.max_batch, "8", 1, 256, "", "images that run together"),
    INTEGER(engine.max_queue_delay_us, "0", 0, 1000000, "us",
            "how long a batch that is not full waits for company"),
    BOOLEAN(
        engine.numa, "true",
        "where the CPUs are on several NUMA nodes: weights on each, threads that stay on theirs"),
    BOOLEAN(engine.lock_memory, "true", "try to keep weights and buffers from being swapped out"),
    BOOLEAN(engine.self_check, "true",
            "compare with the plain kernels before /readyz says yes for the first time"),

    INTEGER(prepare.threads, "0", 0, MAX_THREADS, "",
            "threads that decode and resize; 0: the CPUs that this process may use"),
    BOOLEAN(prepare.orient, "true", "turn images as their EXIF orientation says"),
    BOOLEAN(prepare.scale_dct, "false",
            "decode a JPEG of twice the network's size and more at 1/2 or 1/4: quicker, and no "
            "longer exactly the pixels of PIL"),

    BOOLEAN(fetch.enabled, "true", "fetch images by URL for clients"),
    INTEGER(fetch.max_bytes, "33554432", 1024, TIB, "bytes", "an image that is fetched"),
    INTEGER(fetch.timeout_ms, "10000", 10, HOUR_MS, "ms", "for a fetch, redirects included"),
    INTEGER(fetch.connect_timeout_ms, "3000", 10, HOUR_MS, "ms", "for a connection, TLS included"),
    INTEGER(fetch.max_redirects, "3", 0, 20, "", "redirects that are followed"),
    INTEGER(fetch.max_concurrent, "64", 1, 10000, "", "fetches at one time; more wait their turn"),
    INTEGER(fetch.max_concurrent_per_host, "8", 1, 10000, "", "fetches from one host at one time"),
    LIST(fetch.allow_hosts, "", false, ',',
         "the only hosts to fetch from, such as images.dog.ceo or *.dog.ceo; none: every public "
         "one"),
    LIST(fetch.allow_networks, "", false, ',',
         "networks to fetch from beside the public ones, such as 10.0.0.0/8 or fd00::/8"),
    INTEGERS(fetch.allow_ports, "", 1, 65535, "the ports to fetch from; none: 80 and 443"),
    TEXT(fetch.ca_file, "", "a PEM file of the only authorities to trust; empty: the system's"),
    TEXT(fetch.proxy, "",
         "a proxy to fetch through, which fetch.allow_hosts must go with; empty: none"),

    CHOICE(log.level, "info", log_levels, "the least urgent lines to write"),
    CHOICE(log.format, "auto", log_formats, "auto: logfmt on a terminal, JSON otherwise"),
};

enum {
    SECTION_COUNT = sizeof sections / sizeof *sections,
    OPTION_COUNT = sizeof options / sizeof *options
};

const struct config_option *config_options(size_t *ret_count)
{
    *ret_count = OPTION_COUNT;
    return options;
}

const struct config_option *config_options_find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

bool config_options_is_section(const char *name, size_t length)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (strlen(sections[i]) == length && strncmp(sections[i], name, length) == 0)
            return true;
    return false;
}

/* "port" of "server.port"; "models" as it is. */
static const char *last_part(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : name;
}

/* What differs inside the right section is not outweighed by what that section's name has in
 * common with itself; else a wrong section is as near as a wrong key; else the key may have been
 * put into a wrong section. */
const char *config_options_nearest(const char *name)
{
    size_t section = strcspn(name, ".");
    bool has_section = name[section] && config_options_is_section(name, section);
    size_t skipped = has_section ? section + 1 : 0;
    struct nearest nearest = {.wanted = name + skipped};
    const char *best = NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *before = nearest.name;
        if (strncmp(options[i].name, name, skipped) == 0)
            nearest_offer(&nearest, options[i].name + skipped);
        best = nearest.name != before ? options[i].name : best;
    }
    for (size_t i = 0; i < SECTION_COUNT && !config_options_is_section(name, section); i++) {
        const char *before = nearest.name;
        nearest_offer(&nearest, sections[i]);
        best = nearest.name != before ? sections[i] : best;
    }
    for (size_t i = 0; i < OPTION_COUNT && !best; i++)
        if (strcmp(last_part(options[i].name), last_part(name)) == 0)
            best = options[i].name;
    return best;
}

void config_options_variable(const struct config_option *option,
                             char ret_variable[CONFIG_OPTIONS_VARIABLE_BYTES])
{
    (void)snprintf(ret_variable, CONFIG_OPTIONS_VARIABLE_BYTES, "CLASSIFYD_%s", option->name);
    for (char *at = ret_variable; *at; at++)
        *at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
}

/* "auto, logfmt or json". */
static void join_choices(const char *const *choices, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; choices[i] && used < size; i++) {
        const char *before = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
        int length = snprintf(text + used, size - used, "%s%s", before, choices[i]);
        used += length > 0 ? (size_t)length : 0;
    }
}

void config_options_range(const struct config_option *option,
                          char ret_range[CONFIG_OPTIONS_RANGE_BYTES])
{
    const char *fixed = option->kind == CONFIG_BOOLEAN ? "true or false"
                        : option->kind == CONFIG_TEXT  ? "text"
                                                       : "texts";
    if (option->kind == CONFIG_CHOICE)
        join_choices(option->choices, ret_range, CONFIG_OPTIONS_RANGE_BYTES);
    else if (option->kind == CONFIG_INTEGER || option->kind == CONFIG_INTEGERS)
        (void)snprintf(ret_range, CONFIG_OPTIONS_RANGE_BYTES, "%lld to %lld%s%s%s",
                       (long long)option->min, (long long)option->max, *option->unit ? " " : "",
                       option->unit, option->kind == CONFIG_INTEGERS ? " each" : "");
    else
        (void)snprintf(ret_range, CONFIG_OPTIONS_RANGE_BYTES, "%s", fixed);
}
