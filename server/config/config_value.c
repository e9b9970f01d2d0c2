#include "server/config/config_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/base/nearest.h"
#include "model/base/utf8.h"

/* Lets go of the const that keeps others from writing to what the configuration owns. */
static void release(const void *memory)
{
    free((void *)(uintptr_t)memory);
}

static void *field_of(const struct config_option *option, struct config *config)
{
    return (char *)config + option->offset;
}

static const void *const_field_of(const struct config_option *option, const struct config *config)
{
    return (const char *)config + option->offset;
}

static enum status refuse_range(const struct config_option *option, const char *shown,
                                struct error *reason)
{
    char range[CONFIG_OPTIONS_RANGE_BYTES];
    config_options_range(option, range);
    return error_set(reason, STATUS_BAD_REQUEST, "%.60s is out of range: %s", shown, range);
}

/* Digits, perhaps behind a minus sign; strtoll would take leading blanks and a plus sign, too. */
static enum status read_digits(const struct config_option *option, const char *text,
                               int64_t *ret_number, struct error *reason)
{
    const char *digits = text + (*text == '-');
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return error_set(reason, STATUS_BAD_REQUEST, "\"%.60s\" is not a whole number", text);
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno == ERANGE || number < option->min || number > option->max)
        return refuse_range(option, text, reason);
    *ret_number = number;
    return STATUS_OK;
}

static enum status set_integer(const struct config_option *option, int64_t number,
                               struct config *config, struct error *reason)
{
    if (number < option->min || number > option->max) {
        char shown[32];
        (void)snprintf(shown, sizeof shown, "%lld", (long long)number);
        return refuse_range(option, shown, reason);
    }
    int64_t *field = field_of(option, config);
    *field = number;
    return STATUS_OK;
}

static enum status check_text(const char *text, struct error *reason)
{
    if (strlen(text) >= CONFIG_OPTIONS_MAX_TEXT_BYTES)
        return error_set(reason, STATUS_BAD_REQUEST, "has %zu bytes, the limit is %d", strlen(text),
                         CONFIG_OPTIONS_MAX_TEXT_BYTES - 1);
    if (!utf8_is_printable_text(text))
        return error_set(reason, STATUS_BAD_REQUEST,
                         "holds a control character or is not valid UTF-8");
    return STATUS_OK;
}

static enum status set_text(const struct config_option *option, const char *text,
                            struct config *config, struct error *reason)
{
    const char **field = field_of(option, config);
    enum status status = check_text(text, reason);
    if (status)
        return status;
    char *copy = alloc_string(text, CONFIG_OPTIONS_MAX_TEXT_BYTES);
    if (!copy)
        return error_set(reason, STATUS_NO_MEMORY, "no memory for the configuration");
    release(*field);
    *field = copy;
    return STATUS_OK;
}

static enum status set_choice(const struct config_option *option, const char *text,
                              struct config *config, struct error *reason)
{
    const char **field = field_of(option, config);
    struct nearest nearest = {.wanted = text};
    for (size_t i = 0; option->choices[i]; i++) {
        nearest_offer(&nearest, option->choices[i]);
        if (strcmp(option->choices[i], text) == 0) {
            *field = option->choices[i];
            return STATUS_OK;
        }
    }
    char range[CONFIG_OPTIONS_RANGE_BYTES];
    config_options_range(option, range);
    return error_set(reason, STATUS_BAD_REQUEST, "\"%.60s\" is not %s%s%s%s", text, range,
                     nearest.name ? "; did you mean " : "", nearest.name ? nearest.name : "",
                     nearest.name ? "?" : "");
}

static enum status set_boolean(const struct config_option *option, const char *text,
                               struct config *config, struct error *reason)
{
    bool *field = field_of(option, config), is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return error_set(reason, STATUS_BAD_REQUEST, "\"%.60s\" is neither true nor false", text);
    *field = is_true;
    return STATUS_OK;
}

/* A list that is being read. */
struct entries {
    size_t count;
    char *values[CONFIG_OPTIONS_MAX_ENTRIES];
};

static void entries_fini(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->values[i]);
}

/* A number is given its plain form: 80 of 080, which is never longer. */
static enum status check_entry(const struct config_option *option, char *text, struct error *reason)
{
    if (*text == '\0')
        return error_set(reason, STATUS_BAD_REQUEST, "is empty");
    if (option->kind == CONFIG_INTEGERS) {
        int64_t number;
        enum status status = read_digits(option, text, &number, reason);
        if (!status)
            (void)snprintf(text, strlen(text) + 1, "%lld", (long long)number);
        return status;
    }
    /* As one text the list would fall apart at other places. */
    if (option->separator != ',' && strchr(text, option->separator))
        return error_set(reason, STATUS_BAD_REQUEST, "holds a \"%c\", which parts entries",
                         option->separator);
    return check_text(text, reason);
}

/* Takes `text` (malloc), which may be NULL: no memory. */
static enum status append(const struct config_option *option, struct entries *entries, char *text,
                          struct error *reason)
{
    if (!text)
        return error_set(reason, STATUS_NO_MEMORY, "no memory for the configuration");
    enum status status = check_entry(option, text, reason);
    if (status == STATUS_BAD_REQUEST)
        error_prefix(reason, "entry %zu", entries->count + 1);
    else if (!status && entries->count == CONFIG_OPTIONS_MAX_ENTRIES)
        status = error_set(reason, STATUS_BAD_REQUEST, "has more than %d entries",
                           CONFIG_OPTIONS_MAX_ENTRIES);
    if (status)
        free(text);
    else
        entries->values[entries->count++] = text;
    return status;
}

/* Moves the entries into the configuration. */
static enum status set_list(const struct config_option *option, struct entries *entries,
                            struct config *config, struct error *reason)
{
    struct config_list *field = field_of(option, config);
    if (option->is_needed && entries->count == 0)
        return error_set(reason, STATUS_BAD_REQUEST, "is empty, but must have an entry");
    const char **values = alloc_array(entries->count, sizeof *values, SIZE_MAX);
    if (!values)
        return error_set(reason, STATUS_NO_MEMORY, "no memory for the configuration");
    for (size_t i = 0; i < entries->count; i++)
        values[i] = entries->values[i];
    config_value_fini(option, config);
    *field = (struct config_list){entries->count, values};
    entries->count = 0;
    return STATUS_OK;
}

static enum status read_list_text(const struct config_option *option, const char *text,
                                  struct config *config, struct error *reason)
{
    struct entries entries = {0};
    enum status status = STATUS_OK;
    const char separators[] = {option->separator, '\0'};
    bool are_folders = option->separator == ':';
    while (*text && !status) {
        text += are_folders ? 0 : strspn(text, " ");
        size_t length = strcspn(text, separators), kept = length;
        while (!are_folders && kept > 0 && text[kept - 1] == ' ')
            kept--;
        /* PATH and its like are put together from parts that may be empty. */
        if (kept > 0 || !are_folders)
            status = append(option, &entries, strndup(text, kept), reason);
        text += length;
        if (!status && *text && text[1] == '\0' && !are_folders)
            status = append(option, &entries, strdup(""), reason);
        text += *text != '\0';
    }
    if (!status)
        status = set_list(option, &entries, config, reason);
    entries_fini(&entries);
    return status;
}

enum status config_value_read_text(const struct config_option *option, const char *text,
                                   struct config *config, struct error *reason)
{
    int64_t number;
    enum status status;
    switch (option->kind) {
    case CONFIG_INTEGER:
        status = read_digits(option, text, &number, reason);
        return status ? status : set_integer(option, number, config, reason);
    case CONFIG_BOOLEAN:
        return set_boolean(option, text, config, reason);
    case CONFIG_TEXT:
        return set_text(option, text, config, reason);
    case CONFIG_CHOICE:
        return set_choice(option, text, config, reason);
    case CONFIG_LIST:
    case CONFIG_INTEGERS:
        return read_list_text(option, text, config, reason);
    }
    return STATUS_INTERNAL;
}

const char *config_value_type(const struct json_node *node)
{
    int64_t integer;
    double number;
    bool boolean;
    return json_node_is_object(node)           ? "an object"
           : json_node_is_array(node)          ? "an array"
           : json_node_string(node)            ? "a string"
           : json_node_boolean(node, &boolean) ? "a boolean"
           : json_node_integer(node, &integer) ? "a whole number"
           : json_node_number(node, &number)   ? "a number with a fraction"
                                               : "null";
}

static enum status refuse_type(const char *wanted, const struct json_node *node,
                               struct error *reason)
{
    return error_set(reason, STATUS_BAD_REQUEST, "wants %s, not %s", wanted,
                     config_value_type(node));
}

/* A new text of an entry; NULL without memory. `ret_is_type`: whether it is of the right one. */
static char *copy_entry(const struct config_option *option, const struct json_node *node,
                        bool *ret_is_type)
{
    const char *text = json_node_string(node);
    int64_t number;
    char *copy = NULL;
    if (option->kind == CONFIG_LIST) {
        *ret_is_type = text != NULL;
        return text ? strdup(text) : NULL;
    }
    *ret_is_type = json_node_integer(node, &number);
    if (*ret_is_type && asprintf(&copy, "%lld", (long long)number) < 0)
        copy = NULL;
    return copy;
}

static enum status read_list_json(const struct config_option *option, const struct json_node *node,
                                  struct config *config, int *ret_entry, struct error *reason)
{
    bool are_texts = option->kind == CONFIG_LIST;
    if (!json_node_is_array(node))
        return refuse_type(are_texts ? "an array of strings" : "an array of whole numbers", node,
                           reason);
    struct entries entries = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < json_node_count(node) && !status; i++) {
        const struct json_node *item = json_node_item(node, i);
        bool is_type;
        char *text = copy_entry(option, item, &is_type);
        if (is_type) {
            status = append(option, &entries, text, reason);
        } else {
            status = refuse_type(are_texts ? "a string" : "a whole number", item, reason);
            error_prefix(reason, "entry %zu", i + 1);
        }
        *ret_entry = status ? (int)i : CONFIG_VALUE_NO_ENTRY;
    }
    if (!status)
        status = set_list(option, &entries, config, reason);
    entries_fini(&entries);
    return status;
}

enum status config_value_read_json(const struct config_option *option, const struct json_node *node,
                                   struct config *config, int *ret_entry, struct error *reason)
{
    int64_t number;
    bool boolean;
    const char *text = json_node_string(node);
    char range[CONFIG_OPTIONS_RANGE_BYTES];
    *ret_entry = CONFIG_VALUE_NO_ENTRY;
    switch (option->kind) {
    case CONFIG_INTEGER:
        return json_node_integer(node, &number) ? set_integer(option, number, config, reason)
                                                : refuse_type("a whole number", node, reason);
    case CONFIG_BOOLEAN:
        return json_node_boolean(node, &boolean)
                   ? set_boolean(option, boolean ? "true" : "false", config, reason)
                   : refuse_type("true or false", node, reason);
    case CONFIG_TEXT:
        return text ? set_text(option, text, config, reason)
                    : refuse_type("a string", node, reason);
    case CONFIG_CHOICE:
        config_options_range(option, range);
        return text ? set_choice(option, text, config, reason) : refuse_type(range, node, reason);
    case CONFIG_LIST:
    case CONFIG_INTEGERS:
        return read_list_json(option, node, config, ret_entry, reason);
    }
    return STATUS_INTERNAL;
}

static bool are_lists_equal(const struct config_list *a, const struct config_list *b)
{
    bool is_equal = a->count == b->count;
    for (size_t i = 0; i < a->count && is_equal; i++)
        is_equal = strcmp(a->values[i], b->values[i]) == 0;
    return is_equal;
}

bool config_value_is_equal(const struct config_option *option, const struct config *a,
                           const struct config *b)
{
    const void *left = const_field_of(option, a), *right = const_field_of(option, b);
    switch (option->kind) {
    case CONFIG_INTEGER:
        return *(const int64_t *)left == *(const int64_t *)right;
    case CONFIG_BOOLEAN:
        return *(const bool *)left == *(const bool *)right;
    case CONFIG_TEXT:
    case CONFIG_CHOICE:
        return strcmp(*(const char *const *)left, *(const char *const *)right) == 0;
    case CONFIG_LIST:
    case CONFIG_INTEGERS:
        return are_lists_equal(left, right);
    }
    return false;
}

static void write_list(const struct config_option *option, const struct config_list *list,
                       struct json_doc *doc, struct json_node *array)
{
    for (size_t i = 0; i < list->count; i++) {
        if (option->kind == CONFIG_INTEGERS)
            json_node_put_integer(doc, array, NULL, strtoll(list->values[i], NULL, 10));
        else
            json_node_put_string(doc, array, NULL, list->values[i]);
    }
}

void config_value_write(const struct config_option *option, const struct config *config,
                        struct json_doc *doc, struct json_node *into, const char *key)
{
    const void *field = const_field_of(option, config);
    switch (option->kind) {
    case CONFIG_INTEGER:
        json_node_put_integer(doc, into, key, *(const int64_t *)field);
        break;
    case CONFIG_BOOLEAN:
        json_node_put_boolean(doc, into, key, *(const bool *)field);
        break;
    case CONFIG_TEXT:
    case CONFIG_CHOICE:
        json_node_put_string(doc, into, key, *(const char *const *)field);
        break;
    case CONFIG_LIST:
    case CONFIG_INTEGERS:
        write_list(option, field, doc, json_node_put_array(doc, into, key));
        break;
    }
}

void config_value_fini(const struct config_option *option, struct config *config)
{
    if (option->kind == CONFIG_TEXT) {
        const char **field = field_of(option, config);
        release(*field);
        *field = NULL;
    } else if (option->kind == CONFIG_LIST || option->kind == CONFIG_INTEGERS) {
        struct config_list *field = field_of(option, config);
        for (size_t i = 0; i < field->count; i++)
            release(field->values[i]);
        release(field->values);
        *field = (struct config_list){0};
    }
}
