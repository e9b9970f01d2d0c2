/* The option table: the one place that says what can be configured. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_OPTIONS_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_OPTIONS_H

#include "server/config/config.h"

enum config_kind {
    CONFIG_INTEGER,
    CONFIG_BOOLEAN,
    CONFIG_TEXT,
    CONFIG_CHOICE,
    CONFIG_LIST,     /* of texts */
    CONFIG_INTEGERS, /* a list of whole numbers, kept as texts: "443" */
};

enum {
    CONFIG_OPTIONS_MAX_ENTRIES = 256,    /* of a list */
    CONFIG_OPTIONS_MAX_TEXT_BYTES = 4096 /* of a text or an entry */
};

struct config_option {
    const char *name; /* "server.port" */
    enum config_kind kind;
    char separator;     /* between a list's entries where it is one text: ',', or ':' of folders */
    bool is_needed;     /* a list must have an entry */
    size_t offset;      /* in struct config, of the field of the kind's type */
    const char *unit;   /* "ms", "bytes"; "" where there is none */
    const char *preset; /* the default as text */
    int64_t min, max;   /* of an integer, and of each of CONFIG_INTEGERS */
    const char *const *choices; /* of a choice, NULL-ended */
    const char *help;           /* a phrase in lower case, without a full stop */
};

/* In the order of struct config. Any thread, as everything here. */
const struct config_option *config_options(size_t *ret_count);
const struct config_option *config_options_find(const char *name); /* NULL: none */

/* The nearest option to a wrong name, or the nearest section; NULL: none is near. Where its section
 * is right, it is an option. */
const char *config_options_nearest(const char *name);

/* Whether options are called `name`.something, `name` being its first `length` bytes. */
bool config_options_is_section(const char *name, size_t length);

enum { CONFIG_OPTIONS_VARIABLE_BYTES = 96, CONFIG_OPTIONS_RANGE_BYTES = 128 };

/* The option's environment variable: "CLASSIFYD_SERVER_PORT". */
void config_options_variable(const struct config_option *option,
                             char ret_variable[CONFIG_OPTIONS_VARIABLE_BYTES]);

/* What values it takes: "0 to 65535", "1 to 3600000 ms", "auto, logfmt or json", "true or false",
 * "text", "texts", "1 to 65535 each". */
void config_options_range(const struct config_option *option,
                          char ret_range[CONFIG_OPTIONS_RANGE_BYTES]);

#endif
