/* One option's value in a struct config: read from text or JSON, compared, written, freed. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_VALUE_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_VALUE_H

#include "model/base/json_doc.h"
#include "server/config/config_options.h"

/* Reads the value and puts it in the place of what was there. Fails with STATUS_BAD_REQUEST and
 * what is wrong with it ("70000 is out of range: 0 to 65535"), STATUS_NO_MEMORY; then nothing is
 * changed. Text is a number in digits, true or false, or a list with the option's separator
 * between its entries. */
MUST_CHECK enum status config_value_read_text(const struct config_option *option, const char *text,
                                              struct config *config, struct error *reason);

enum { CONFIG_VALUE_NO_ENTRY = -1 };

/* The same; `ret_entry` is written in any case: the list's entry that is wrong, or
 * CONFIG_VALUE_NO_ENTRY. */
MUST_CHECK enum status config_value_read_json(const struct config_option *option,
                                              const struct json_node *node, struct config *config,
                                              int *ret_entry, struct error *reason);

bool config_value_is_equal(const struct config_option *option, const struct config *a,
                           const struct config *b);

/* Puts it into an object; see json_doc.h for failures. */
void config_value_write(const struct config_option *option, const struct config *config,
                        struct json_doc *doc, struct json_node *into, const char *key);

/* Frees what the value holds; accepts a zeroed one. */
void config_value_fini(const struct config_option *option, struct config *config);

/* As messages call the type: "an array". */
const char *config_value_type(const struct json_node *node);

#endif
