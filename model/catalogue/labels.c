/* Owns the names of a model's classes and the search through them. */
#include "model/catalogue/labels.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/utf8.h"

enum {
    LABELS_MAX_COUNT = 1 << 20,
    LABELS_MAX_TEXT_BYTES = 64 << 20,
};

static const char TSV_HEADER[] = "class_id\twnid\tlabel";

struct labels {
    size_t count, capacity;
    struct label *items; /* [capacity]; the strings lie in `text` */
    char *text;
    size_t used_bytes, text_bytes;
};

static enum status create(size_t capacity, size_t text_bytes, struct labels **ret_labels,
                          struct error *error)
{
    if (capacity > LABELS_MAX_COUNT || text_bytes > LABELS_MAX_TEXT_BYTES)
        return error_set(error, STATUS_TOO_LARGE, "more than %d labels, or than %d MiB of them",
                         LABELS_MAX_COUNT, LABELS_MAX_TEXT_BYTES >> 20);
    struct labels *labels = calloc(1, sizeof *labels);
    if (labels) {
        labels->items = alloc_array(capacity, sizeof *labels->items, SIZE_MAX);
        labels->text = alloc_array(text_bytes, 1, LABELS_MAX_TEXT_BYTES);
    }
    if (!labels || !labels->items || !labels->text) {
        labels_destroy(labels);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu labels", capacity);
    }
    labels->capacity = capacity;
    labels->text_bytes = text_bytes;
    *ret_labels = labels;
    return STATUS_OK;
}

void labels_destroy(struct labels *labels)
{
    if (!labels)
        return;
    free(labels->items);
    free(labels->text);
    free(labels);
}

/* A terminated copy in the labels' own text, which `create` was given room for. NULL where the
 * bytes are not printable UTF-8: labels are shown on terminals. */
static const char *keep(struct labels *labels, struct span text)
{
    char *copy = labels->text + labels->used_bytes;
    if (text.size >= labels->text_bytes - labels->used_bytes)
        return NULL;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (strlen(copy) != text.size || !utf8_is_printable_text(copy))
        return NULL;
    labels->used_bytes += text.size + 1;
    return copy;
}

static bool add(struct labels *labels, struct span wnid, struct span text)
{
    if (labels->count == labels->capacity || text.size == 0)
        return false;
    struct label label = {.text = keep(labels, text)};
    if (wnid.size > 0)
        label.wnid = keep(labels, wnid);
    if (!label.text || (wnid.size > 0 && !label.wnid))
        return false;
    labels->items[labels->count++] = label;
    return true;
}

/* Takes the bytes up to `end` (or all) off the front of `text`, the end as well. */
static struct span take_until(struct span *text, char end)
{
    const uint8_t *at = text->size ? memchr(text->data, end, text->size) : NULL;
    size_t size = at ? (size_t)(at - text->data) : text->size;
    struct span taken = {text->data, size};
    size_t used = at ? size + 1 : size;
    if (used > 0)
        *text = (struct span){text->data + used, text->size - used};
    return taken;
}

static struct span take_line(struct span *text)
{
    struct span line = take_until(text, '\n');
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

/* Decimal digits alone, as they stand in a table: no sign, no blank. */
static bool read_number(struct span text, size_t *ret_number)
{
    size_t number = 0;
    if (text.size == 0 || text.size > 7)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit(text.data[i]))
            return false;
        number = number * 10 + (size_t)(text.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

static enum status read_rows(struct span text, struct labels *labels, struct error *error)
{
    for (size_t line_number = 2; text.size > 0; line_number++) {
        struct span line = take_line(&text);
        struct span id_text = take_until(&line, '\t');
        struct span wnid = take_until(&line, '\t');
        size_t id;
        if (!read_number(id_text, &id) || id != labels->count)
            return error_set(error, STATUS_BAD_MODEL, "labels, line %zu: expected class_id %zu",
                             line_number, labels->count);
        if (!add(labels, wnid, line))
            return error_set(error, STATUS_BAD_MODEL,
                             "labels, line %zu: expected class_id, wnid and label with tabs "
                             "between, printable UTF-8",
                             line_number);
    }
    if (labels->count == 0)
        return error_set(error, STATUS_BAD_MODEL, "labels: no class in the table");
    return STATUS_OK;
}

enum status labels_parse_tsv(struct span text, struct labels **ret_labels, struct error *error)
{
    size_t text_bytes, lines = 1;
    if (!checked_add(text.size, 2, &text_bytes))
        return error_set(error, STATUS_TOO_LARGE, "labels: too large");
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';

    struct span header = take_line(&text);
    if (header.size != sizeof TSV_HEADER - 1 || !span_has(header, 0, TSV_HEADER, header.size))
        return error_set(error, STATUS_BAD_MODEL,
                         "labels, line 1: expected the header class_id, wnid, label with tabs "
                         "between");
    struct labels *labels = NULL;
    enum status status = create(lines, text_bytes, &labels, error);
    if (status != STATUS_OK)
        return status;
    status = read_rows(text, labels, error);
    if (status == STATUS_OK)
        *ret_labels = labels;
    else
        labels_destroy(labels);
    return status;
}

enum status labels_read_json(const struct json_node *array, struct labels **ret_labels,
                             struct error *error)
{
    size_t count = json_node_count(array), text_bytes = 0;
    if (!json_node_is_array(array) || count == 0)
        return error_set(error, STATUS_BAD_MODEL, "labels: expected an array of strings");
    for (size_t i = 0; i < count; i++) {
        const char *text = json_node_string(json_node_item(array, i));
        if (!text || !checked_add(text_bytes, strlen(text) + 1, &text_bytes))
            return error_set(error, STATUS_BAD_MODEL, "labels: entry %zu is not a string", i);
    }
    struct labels *labels = NULL;
    enum status status = create(count, text_bytes, &labels, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const char *text = json_node_string(json_node_item(array, i));
        struct span span = {(const uint8_t *)text, strlen(text)};
        if (!add(labels, (struct span){0}, span))
            status = error_set(error, STATUS_BAD_MODEL,
                               "labels: entry %zu is empty or has control characters", i);
    }
    if (status == STATUS_OK)
        *ret_labels = labels;
    else
        labels_destroy(labels);
    return status;
}

enum status labels_create_numbered(size_t count, struct labels **ret_labels, struct error *error)
{
    enum { NUMBERED_BYTES = 32 };
    size_t text_bytes;
    if (!checked_mul(count, NUMBERED_BYTES, &text_bytes))
        text_bytes = SIZE_MAX;
    struct labels *labels = NULL;
    enum status status = create(count, text_bytes, &labels, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        char text[NUMBERED_BYTES];
        int length = snprintf(text, sizeof text, "class %zu", i);
        (void)add(labels, (struct span){0}, (struct span){(const uint8_t *)text, (size_t)length});
    }
    *ret_labels = labels;
    return STATUS_OK;
}

size_t labels_count(const struct labels *labels)
{
    return labels->count;
}

struct label labels_at(const struct labels *labels, size_t class_id)
{
    return labels->items[class_id];
}

static int folded(char c)
{
    return c == '_' ? ' ' : tolower((unsigned char)c);
}

static bool is_same_label(const char *a, const char *b)
{
    while (*a && folded(*a) == folded(*b)) {
        a++;
        b++;
    }
    return *a == 0 && *b == 0;
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* How many labels are the same as `name`; the last of them goes to `ret_class_id`. */
static size_t count_matches(const struct labels *labels, const char *name,
                            bool (*is_same)(const char *, const char *), size_t *ret_class_id)
{
    size_t matches = 0;
    for (size_t i = 0; i < labels->count; i++) {
        if (is_same(labels->items[i].text, name)) {
            *ret_class_id = i;
            matches++;
        }
    }
    return matches;
}

bool labels_find(const struct labels *labels, const char *name, size_t *ret_class_id)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->items[i].wnid && strcmp(labels->items[i].wnid, name) == 0) {
            *ret_class_id = i;
            return true;
        }
    }
    /* Letter by letter first: ImageNet has a Cardigan, the dog, and a cardigan. */
    size_t id;
    if (count_matches(labels, name, is_same_text, &id) == 1) {
        *ret_class_id = id;
        return true;
    }
    size_t matches = count_matches(labels, name, is_same_label, &id);
    if (matches == 0 && read_number((struct span){(const uint8_t *)name, strlen(name)}, &id) &&
        id < labels->count)
        matches = 1;
    if (matches == 1)
        *ret_class_id = id;
    return matches == 1;
}
