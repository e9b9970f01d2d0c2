#include "server/api/json_skeleton.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/base/alloc.h"

/* A stand-in is MARK and the long string's number. A client's own string that begins so is refused:
 * no URL, name or base64 does. */
enum { MARK = 1, STAND_IN_BYTES = 32 };
#define MARK_ESCAPED "\\u0001"

struct cutter {
    struct span text;
    size_t at;
    size_t depth, values, max_values;
    size_t capacity, string_capacity;
    struct json_skeleton skeleton;
};

static bool put(struct cutter *cutter, const void *bytes, size_t size)
{
    if (size > cutter->capacity - cutter->skeleton.size)
        return false;
    memcpy(cutter->skeleton.text + cutter->skeleton.size, bytes, size);
    cutter->skeleton.size += size;
    return true;
}

static bool add_string(struct cutter *cutter, struct span string)
{
    struct json_skeleton *skeleton = &cutter->skeleton;
    if (skeleton->string_count == cutter->string_capacity) {
        size_t capacity = cutter->string_capacity * 2 + 8, bytes;
        struct span *strings = checked_mul(capacity, sizeof *strings, &bytes)
                                   ? realloc(skeleton->strings, bytes)
                                   : NULL;
        if (!strings)
            return false;
        skeleton->strings = strings;
        cutter->string_capacity = capacity;
    }
    skeleton->strings[skeleton->string_count++] = string;
    return true;
}

/* Where the string ends whose first character is at `start`: its closing quote, or the text's end.
 */
static size_t string_end(struct span text, size_t start)
{
    for (size_t from = start;;) {
        const uint8_t *quote =
            from < text.size ? memchr(text.data + from, '"', text.size - from) : NULL;
        if (!quote)
            return text.size;
        size_t at = (size_t)(quote - text.data), backslashes = 0;
        while (at - backslashes > start && text.data[at - backslashes - 1] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return at;
        from = at + 1;
    }
}

static enum status fail_too_large(const struct cutter *cutter, struct error *error)
{
    return error_set(error, STATUS_TOO_LARGE,
                     "the JSON has more than %zu bytes beside its images; that cannot be meant",
                     cutter->capacity);
}

/* The string whose opening quote is at cutter->at. */
static enum status take_string(struct cutter *cutter, struct error *error)
{
    size_t start = cutter->at + 1, end = string_end(cutter->text, start);
    struct span string = {cutter->text.data + start, end - start};
    cutter->at = end < cutter->text.size ? end + 1 : end;
    if (span_has(string, 0, MARK_ESCAPED, strlen(MARK_ESCAPED)))
        return error_set(error, STATUS_BAD_REQUEST, "a string begins with a control character");
    if (string.size <= JSON_SKELETON_LONG_BYTES) /* with its quotes */
        return put(cutter, string.data - 1, cutter->at - start + 1) ? STATUS_OK
                                                                    : fail_too_large(cutter, error);
    if (end == cutter->text.size)
        return error_set(error, STATUS_BAD_REQUEST, "the body ends within a string");
    char stand_in[STAND_IN_BYTES];
    int size = snprintf(stand_in, sizeof stand_in, "\"" MARK_ESCAPED "%zu\"",
                        cutter->skeleton.string_count);
    if (!put(cutter, stand_in, (size_t)size))
        return fail_too_large(cutter, error);
    if (!add_string(cutter, string))
        return error_set(error, STATUS_NO_MEMORY, "no memory for a JSON document");
    return STATUS_OK;
}

/* Anything outside strings. */
static enum status take_byte(struct cutter *cutter, struct error *error)
{
    uint8_t byte = cutter->text.data[cutter->at++];
    bool opens = byte == '[' || byte == '{';
    cutter->depth += opens;
    if ((byte == ']' || byte == '}') && cutter->depth > 0)
        cutter->depth--;
    cutter->values += opens || byte == ',';
    if (cutter->depth > JSON_SKELETON_MAX_DEPTH)
        return error_set(error, STATUS_BAD_REQUEST, "the JSON is nested too deeply");
    if (cutter->values > cutter->max_values)
        return error_set(error, STATUS_TOO_LARGE, "the JSON has more than %zu values",
                         cutter->max_values);
    return put(cutter, &byte, 1) ? STATUS_OK : fail_too_large(cutter, error);
}

enum status json_skeleton_init(struct span text, size_t max_values, size_t max_bytes,
                               struct json_skeleton *ret_skeleton, struct error *error)
{
    struct cutter cutter = {.text = text, .max_values = max_values};
    /* A stand-in is shorter than what it stands for. */
    cutter.capacity = text.size < max_bytes ? text.size : max_bytes;
    cutter.skeleton.text = malloc(cutter.capacity > 0 ? cutter.capacity : 1);
    enum status status = cutter.skeleton.text
                             ? STATUS_OK
                             : error_set(error, STATUS_NO_MEMORY, "no memory for a JSON document");
    while (!status && cutter.at < text.size)
        status =
            text.data[cutter.at] == '"' ? take_string(&cutter, error) : take_byte(&cutter, error);
    if (status)
        json_skeleton_fini(&cutter.skeleton);
    else
        *ret_skeleton = cutter.skeleton;
    return status;
}

void json_skeleton_fini(struct json_skeleton *skeleton)
{
    free(skeleton->text);
    free(skeleton->strings);
    *skeleton = (struct json_skeleton){0};
}

const struct span *json_skeleton_find(const struct json_skeleton *skeleton, const char *string)
{
    if (string[0] != MARK)
        return NULL;
    size_t index = strtoul(string + 1, NULL, 10);
    return index < skeleton->string_count ? &skeleton->strings[index] : NULL;
}
