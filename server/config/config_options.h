/* The option table: the one place that says what can be configured. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_OPTIONS_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_OPTIONS_H

#include "server/config/config.h"

enum config_kind { CONFIG_INTEGER, CONFIG_BOOLEAN, CONFIG_TEXT, CONFIG_CHOICE, CONFIG_LIST };

struct config_option {
    const char *name; /* "server.port" */
    enum config_kind kind;
    size_t offset;              /* in struct config, of the field of the kind's type */
    const char *unit;           /* "ms", "bytes"; "" where there is none */
    const char *preset;         /* the default as text; of a list: comma-separated */
    int64_t min, max;           /* of an integer */
    const char *const *choices; /* of a choice, NULL-ended */
    const char *help;           /* a phrase in lower case, without a full stop */
};

/* In the order of struct config. Any thread. */
const struct config_option *config_options(size_t *ret_count);
const struct config_option *config_options_find(const char *name); /* NULL: none */

/* The nearest name to a wrong one, or NULL. */
const char *config_options_nearest(const char *name);

#endif
