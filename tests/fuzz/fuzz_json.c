/* json_doc: whatever parses can be walked, and what is written of it parses again. */
#include <stdlib.h>
#include <string.h>

#include "model/base/json_doc.h"
#include "tests/fuzz/fuzz.h"

static bool visit(void *user, const char *key, const struct json_node *value);

/* Asks every question of every node; `user` counts them. */
static void walk(const struct json_node *node, size_t *count)
{
    int64_t integer;
    double number;
    bool boolean;
    ++*count;
    (void)json_node_string(node);
    if (json_node_integer(node, &integer) && !json_node_number(node, &number))
        abort();
    (void)json_node_boolean(node, &boolean);
    if (json_node_is_object(node))
        (void)json_node_each(node, visit, count);
    for (size_t i = 0; json_node_is_array(node) && i < json_node_count(node); i++)
        walk(json_node_item(node, i), count);
}

static bool visit(void *user, const char *key, const struct json_node *value)
{
    (void)key;
    walk(value, user);
    return true;
}

static size_t count_nodes(const struct json_doc *doc)
{
    size_t count = 0;
    walk(json_doc_root(doc), &count);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct json_doc *doc, *again;
    char *text;
    if (json_doc_parse((struct span){data, size}, &doc, &error) != STATUS_OK)
        return 0;
    if (json_doc_format(doc, size % 2, &text, &error) != STATUS_OK)
        abort();
    struct span written = {(const uint8_t *)text, strlen(text)};
    if (json_doc_parse(written, &again, &error) != STATUS_OK)
        abort();
    if (count_nodes(doc) != count_nodes(again))
        abort();
    json_doc_destroy(again);
    json_doc_destroy(doc);
    free(text);
    return 0;
}
