#include "model/base/json_line.h"

#include "model/base/json_doc.h"

/* How far the text has been read. At its end `peek` gives NUL, which no other step accepts. */
struct reader {
    struct span rest;
    size_t line;
};

static uint8_t peek(const struct reader *reader)
{
    return reader->rest.size > 0 ? reader->rest.data[0] : '\0';
}

static void skip(struct reader *reader, size_t count)
{
    for (; count > 0 && reader->rest.size > 0; count--) {
        reader->line += reader->rest.data[0] == '\n';
        reader->rest.data++;
        reader->rest.size--;
    }
}

static void skip_space(struct reader *reader)
{
    while (peek(reader) == ' ' || peek(reader) == '\t' || peek(reader) == '\r' ||
           peek(reader) == '\n')
        skip(reader, 1);
}

/* Steps over `wanted` and the space behind it. */
static bool take(struct reader *reader, uint8_t wanted)
{
    skip_space(reader);
    if (peek(reader) != wanted)
        return false;
    skip(reader, 1);
    skip_space(reader);
    return true;
}

/* A string with its quotes. */
static struct span take_string(struct reader *reader)
{
    struct span string = {reader->rest.data, 0};
    size_t end = 1;
    while (end < reader->rest.size && reader->rest.data[end] != '"')
        end += reader->rest.data[end] == '\\' ? 2 : 1;
    string.size = end < reader->rest.size ? end + 1 : reader->rest.size;
    skip(reader, string.size);
    return string;
}

/* A value, with all that it holds. */
static void skip_value(struct reader *reader)
{
    size_t depth = 0;
    skip_space(reader);
    while (reader->rest.size > 0) {
        uint8_t byte = peek(reader);
        bool is_end = byte == ',' || byte == ']' || byte == '}';
        if (depth == 0 && is_end)
            return;
        depth += byte == '[' || byte == '{';
        depth -= byte == ']' || byte == '}';
        if (byte == '"')
            (void)take_string(reader);
        else
            skip(reader, 1);
    }
}

/* Keys may be escaped ("\u0070ort"): the parser itself reads them. */
static bool is_key(struct span string, const char *key)
{
    struct json_doc *doc;
    if (json_doc_parse(string, &doc, NULL) != STATUS_OK)
        return false;
    const char *text = json_node_string(json_doc_root(doc));
    bool is_equal = text && strcmp(text, key) == 0;
    json_doc_destroy(doc);
    return is_equal;
}

/* Up to the value of the member; its key's line. */
static size_t enter_member(struct reader *reader, const char *key)
{
    if (!take(reader, '{'))
        return 0;
    while (peek(reader) == '"') {
        size_t line = reader->line;
        struct span string = take_string(reader);
        if (!take(reader, ':'))
            return 0;
        if (is_key(string, key))
            return line;
        skip_value(reader);
        if (!take(reader, ','))
            return 0;
    }
    return 0;
}

/* Up to the item; its line. */
static size_t enter_item(struct reader *reader, size_t index)
{
    if (!take(reader, '['))
        return 0;
    for (size_t i = 0; i < index; i++) {
        skip_value(reader);
        if (!take(reader, ','))
            return 0;
    }
    return reader->rest.size > 0 && peek(reader) != ']' ? reader->line : 0;
}

size_t json_line_find(struct span text, const struct json_step *steps, size_t step_count)
{
    struct reader reader = {text, 1};
    size_t line = 0;
    skip_space(&reader);
    for (size_t i = 0; i < step_count; i++) {
        line = steps[i].key ? enter_member(&reader, steps[i].key)
                            : enter_item(&reader, steps[i].index);
        if (line == 0)
            return 0;
    }
    return line;
}
