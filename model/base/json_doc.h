/* JSON documents, read and written: the wall around jansson.
 *
 * A document owns its nodes; nodes are borrowed from it and live as long. Reading never fails
 * midway: an absent member or a wrong type is NULL or false, and the caller says what it missed.
 * Writing collects failures (no memory, text that is not UTF-8) in the document; json_doc_format
 * tells. One document belongs to one thread at a time. */
#ifndef CLASSIFYD_MODEL_BASE_JSON_DOC_H
#define CLASSIFYD_MODEL_BASE_JSON_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/span.h"
#include "model/base/status.h"

struct json_doc;
struct json_node;

/* Parses one JSON value (UTF-8, duplicate keys refused). Fails with STATUS_BAD_REQUEST and
 * "line L column C: why". Returns owned. */
MUST_CHECK enum status json_doc_parse(struct span text, struct json_doc **ret_doc,
                                      struct error *error);

/* The same of a file called `name`: fails with "NAME:L: why". */
MUST_CHECK enum status json_doc_parse_file(struct span text, const char *name,
                                           struct json_doc **ret_doc, struct error *error);

/* An empty object to write into. NULL without memory. Returns owned. */
struct json_doc *json_doc_create(void);

/* Accepts NULL. */
void json_doc_destroy(struct json_doc *doc);

/* The outermost value. Borrowed. */
struct json_node *json_doc_root(const struct json_doc *doc);

/* Reading. `node` may be NULL, then so is the answer. */
struct json_node *json_node_member(const struct json_node *object, const char *key);
struct json_node *json_node_item(const struct json_node *array, size_t index);
size_t json_node_count(const struct json_node *array_or_object);
bool json_node_is_object(const struct json_node *node);
bool json_node_is_array(const struct json_node *node);
const char *
json_node_string(const struct json_node *node); /* NULL where it is none, or holds a NUL */
bool json_node_integer(const struct json_node *node, int64_t *ret_value);
bool json_node_number(const struct json_node *node, double *ret_value); /* integers too */
bool json_node_boolean(const struct json_node *node, bool *ret_value);

/* Calls `visit` for each member in the document's order until it returns false; the same is
 * returned. */
bool json_node_each(const struct json_node *object,
                    bool (*visit)(void *user, const char *key, const struct json_node *value),
                    void *user);

/* Writing: sets `key` of an object, or appends to an array where `key` is NULL. */
struct json_node *json_node_put_object(struct json_doc *doc, struct json_node *into,
                                       const char *key);
struct json_node *json_node_put_array(struct json_doc *doc, struct json_node *into,
                                      const char *key);
void json_node_put_string(struct json_doc *doc, struct json_node *into, const char *key,
                          const char *value);
void json_node_put_integer(struct json_doc *doc, struct json_node *into, const char *key,
                           int64_t value);
void json_node_put_number(struct json_doc *doc, struct json_node *into, const char *key,
                          double value);
void json_node_put_boolean(struct json_doc *doc, struct json_node *into, const char *key,
                           bool value);

/* The document on one line (or indented, `pretty`), numbers with nine digits. Returns owned,
 * free(). STATUS_INTERNAL where a put had failed. */
MUST_CHECK enum status json_doc_format(const struct json_doc *doc, bool pretty, char **ret_text,
                                       struct error *error);

#endif
