#include "model/base/json_doc.h"

#include <jansson.h>
#include <stdlib.h>

struct json_doc {
    json_t *root;
    bool has_failed;
};

/* A node is jansson's own value under an opaque name, so that no one else needs jansson.h. */
static json_t *value_of(const struct json_node *node)
{
    return (json_t *)(uintptr_t)node;
}

static struct json_node *node_of(json_t *value)
{
    return (struct json_node *)value;
}

/* `name` NULL: the place is a line and a column. */
static enum status parse(struct span text, const char *name, struct json_doc **ret_doc,
                         struct error *error)
{
    json_error_t why;
    json_t *root = json_loadb((const char *)text.data, text.size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    /* Without memory jansson may fail before it has set a code. */
    if (!root && (json_error_code(&why) == json_error_out_of_memory || why.text[0] == '\0'))
        return error_set(error, STATUS_NO_MEMORY, "no memory for a JSON document");
    if (!root && name)
        return error_set(error, STATUS_BAD_REQUEST, "%s:%d: %s", name, why.line, why.text);
    if (!root)
        return error_set(error, STATUS_BAD_REQUEST, "line %d column %d: %s", why.line, why.column,
                         why.text);
    struct json_doc *doc = calloc(1, sizeof *doc);
    if (!doc) {
        json_decref(root);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a JSON document");
    }
    doc->root = root;
    *ret_doc = doc;
    return STATUS_OK;
}

enum status json_doc_parse(struct span text, struct json_doc **ret_doc, struct error *error)
{
    return parse(text, NULL, ret_doc, error);
}

enum status json_doc_parse_file(struct span text, const char *name, struct json_doc **ret_doc,
                                struct error *error)
{
    return parse(text, name, ret_doc, error);
}

struct json_doc *json_doc_create(void)
{
    struct json_doc *doc = calloc(1, sizeof *doc);
    if (!doc)
        return NULL;
    doc->root = json_object();
    if (doc->root)
        return doc;
    free(doc);
    return NULL;
}

void json_doc_destroy(struct json_doc *doc)
{
    if (!doc)
        return;
    json_decref(doc->root);
    free(doc);
}

struct json_node *json_doc_root(const struct json_doc *doc)
{
    return node_of(doc->root);
}

struct json_node *json_node_member(const struct json_node *object, const char *key)
{
    return node_of(json_object_get(value_of(object), key));
}

struct json_node *json_node_item(const struct json_node *array, size_t index)
{
    return node_of(json_array_get(value_of(array), index));
}

size_t json_node_count(const struct json_node *node)
{
    json_t *value = value_of(node);
    return json_is_object(value) ? json_object_size(value) : json_array_size(value);
}

bool json_node_is_object(const struct json_node *node)
{
    return json_is_object(value_of(node));
}

bool json_node_is_array(const struct json_node *node)
{
    return json_is_array(value_of(node));
}

const char *json_node_string(const struct json_node *node)
{
    return json_string_value(value_of(node));
}

bool json_node_integer(const struct json_node *node, int64_t *ret_value)
{
    if (!json_is_integer(value_of(node)))
        return false;
    *ret_value = json_integer_value(value_of(node));
    return true;
}

bool json_node_number(const struct json_node *node, double *ret_value)
{
    if (!json_is_number(value_of(node)))
        return false;
    *ret_value = json_number_value(value_of(node));
    return true;
}

bool json_node_boolean(const struct json_node *node, bool *ret_value)
{
    if (!json_is_boolean(value_of(node)))
        return false;
    *ret_value = json_is_true(value_of(node));
    return true;
}

bool json_node_each(const struct json_node *object,
                    bool (*visit)(void *user, const char *key, const struct json_node *value),
                    void *user)
{
    const char *key;
    json_t *value;
    json_object_foreach(value_of(object), key, value)
    {
        if (!visit(user, key, node_of(value)))
            return false;
    }
    return true;
}

/* Takes `value`. Returns it borrowed, NULL where it did not go in. */
static struct json_node *put(struct json_doc *doc, struct json_node *into, const char *key,
                             json_t *value)
{
    json_t *parent = value_of(into);
    int failed =
        key ? json_object_set_new(parent, key, value) : json_array_append_new(parent, value);
    if (failed == 0)
        return node_of(value);
    doc->has_failed = true;
    return NULL;
}

struct json_node *json_node_put_object(struct json_doc *doc, struct json_node *into,
                                       const char *key)
{
    return put(doc, into, key, json_object());
}

struct json_node *json_node_put_array(struct json_doc *doc, struct json_node *into, const char *key)
{
    return put(doc, into, key, json_array());
}

void json_node_put_string(struct json_doc *doc, struct json_node *into, const char *key,
                          const char *value)
{
    put(doc, into, key, json_string(value));
}

void json_node_put_integer(struct json_doc *doc, struct json_node *into, const char *key,
                           int64_t value)
{
    put(doc, into, key, json_integer(value));
}

void json_node_put_number(struct json_doc *doc, struct json_node *into, const char *key,
                          double value)
{
    put(doc, into, key, json_real(value));
}

void json_node_put_boolean(struct json_doc *doc, struct json_node *into, const char *key,
                           bool value)
{
    put(doc, into, key, json_boolean(value));
}

enum status json_doc_format(const struct json_doc *doc, bool pretty, char **ret_text,
                            struct error *error)
{
    size_t flags = JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : 0);
    char *text = doc->has_failed ? NULL : json_dumps(doc->root, flags);
    if (!text)
        return error_set(error, STATUS_INTERNAL, "could not write a JSON document");
    *ret_text = text;
    return STATUS_OK;
}
