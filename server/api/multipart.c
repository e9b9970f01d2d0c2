#include "server/api/multipart.h"

/* The boundary of a Content-Type, as a delimiter with its two hyphens. */
static enum status read_boundary(struct multipart *multipart, const char *content_type,
                                 struct error *error)
{
    struct span rest, value = {(const uint8_t *)content_type, strlen(content_type)};
    struct header_parameter parameter;
    enum header_value_step step;
    (void)header_value_first(value, &rest);
    char *boundary = multipart->delimiter + 2;
    memcpy(multipart->delimiter, "--", 3);
    while ((step = header_value_next(&rest, &parameter)) == HEADER_VALUE_FOUND) {
        if (!header_value_is(parameter.name, "boundary"))
            continue;
        if (*boundary)
            return error_set(error, STATUS_BAD_REQUEST, "Content-Type names two boundaries");
        if (!header_value_text(&parameter, boundary, MULTIPART_MAX_BOUNDARY_BYTES + 1) ||
            !*boundary)
            return error_set(error, STATUS_BAD_REQUEST,
                             "the boundary in Content-Type must be 1 to %d characters",
                             MULTIPART_MAX_BOUNDARY_BYTES);
    }
    if (step == HEADER_VALUE_MALFORMED)
        return error_set(error, STATUS_BAD_REQUEST,
                         "Content-Type cannot be read: its parameters are not name=value");
    if (!*boundary)
        return error_set(error, STATUS_BAD_REQUEST,
                         "Content-Type is multipart/form-data without a boundary; leave the header "
                         "to the client library, which knows it");
    multipart->delimiter_bytes = strlen(multipart->delimiter);
    return STATUS_OK;
}

/* The bytes of the line end at `at`: 0 where there is none. */
static size_t line_end_bytes(struct span bytes, size_t at)
{
    if (span_has(bytes, at, "\r\n", 2))
        return 2;
    return span_has(bytes, at, "\n", 1) ? 1 : 0;
}

/* Whether what stands at `at`, behind a delimiter, ends its line; a boundary that another one only
 * begins with is none. `ret_next`: behind that line. */
static bool is_delimiter_end(struct span body, size_t at, bool *ret_is_close, size_t *ret_next)
{
    bool is_close = span_has(body, at, "--", 2);
    if (is_close)
        at += 2;
    while (span_has(body, at, " ", 1) || span_has(body, at, "\t", 1))
        at++;
    size_t end = line_end_bytes(body, at);
    if (end == 0 && !(is_close && at == body.size))
        return false;
    *ret_is_close = is_close;
    *ret_next = at + end;
    return true;
}

/* Where the content ends whose delimiter begins at `at`: the line end before it belongs to it. */
static size_t content_end(const struct multipart *multipart, size_t at)
{
    const uint8_t *data = multipart->body.data;
    if (at > multipart->at && data[at - 1] == '\n')
        at--;
    else
        return at;
    return at > multipart->at && data[at - 1] == '\r' ? at - 1 : at;
}

/* Finds the next delimiter and steps behind it. `ret_end`: where the content before it ends. */
static bool find_delimiter(struct multipart *multipart, size_t *ret_end)
{
    struct span body = multipart->body;
    size_t from = multipart->at, next;
    bool is_close;
    const uint8_t *found;
    while ((found = memmem(body.data + from, body.size - from, multipart->delimiter,
                           multipart->delimiter_bytes)) != NULL) {
        size_t start = (size_t)(found - body.data);
        bool begins_line = start == multipart->at || body.data[start - 1] == '\n';
        from = start + multipart->delimiter_bytes;
        if (!begins_line || !is_delimiter_end(body, from, &is_close, &next))
            continue;
        *ret_end = content_end(multipart, start);
        multipart->at = next;
        multipart->is_closed = is_close;
        return true;
    }
    return false;
}

enum status multipart_init(struct multipart *multipart, struct span body, const char *content_type,
                           size_t max_parts, struct error *error)
{
    if (body.size == 0) /* its address may be NULL, which memmem does not take */
        return error_set(error, STATUS_BAD_REQUEST, "the body is empty");
    *multipart = (struct multipart){.body = body, .max_parts = max_parts};
    enum status status = read_boundary(multipart, content_type, error);
    if (status)
        return status;
    size_t preamble_end;
    if (!find_delimiter(multipart, &preamble_end))
        return error_set(error, STATUS_BAD_REQUEST,
                         "the body has no line \"%s\", the boundary that Content-Type names",
                         multipart->delimiter);
    return STATUS_OK;
}

static enum status read_disposition(struct multipart_part *part, struct span value, size_t number,
                                    struct error *error)
{
    struct span rest;
    struct header_parameter parameter;
    enum header_value_step step;
    if (!header_value_is(header_value_first(value, &rest), "form-data"))
        return error_set(error, STATUS_BAD_REQUEST,
                         "part %zu: Content-Disposition is not form-data", number);
    while ((step = header_value_next(&rest, &parameter)) == HEADER_VALUE_FOUND) {
        bool is_name = header_value_is(parameter.name, "name");
        bool is_filename = header_value_is(parameter.name, "filename");
        if ((is_name && part->name.value.data) || (is_filename && part->filename.value.data))
            return error_set(error, STATUS_BAD_REQUEST,
                             "part %zu: Content-Disposition says %s twice", number,
                             is_name ? "name" : "filename");
        if (is_name)
            part->name = parameter;
        if (is_filename)
            part->filename = parameter;
        if (is_filename || header_value_is(parameter.name, "filename*"))
            part->has_filename = true;
    }
    if (step == HEADER_VALUE_MALFORMED)
        return error_set(error, STATUS_BAD_REQUEST, "part %zu: Content-Disposition cannot be read",
                         number);
    return STATUS_OK;
}

/* One line without its end: "Name: value". */
static enum status read_header(struct multipart_part *part, struct span line, size_t number,
                               struct error *error)
{
    const uint8_t *colon = memchr(line.data, ':', line.size);
    if (!colon || colon == line.data || line.data[0] == ' ' || line.data[0] == '\t' ||
        memchr(line.data, '\0', line.size))
        return error_set(error, STATUS_BAD_REQUEST,
                         "part %zu: a header line is not \"Name: value\"", number);
    struct span name = {line.data, (size_t)(colon - line.data)}, rest;
    struct span value = {colon + 1, line.size - name.size - 1};
    if (header_value_is(name, "Content-Disposition")) {
        if (part->name.value.data)
            return error_set(error, STATUS_BAD_REQUEST, "part %zu: Content-Disposition comes twice",
                             number);
        return read_disposition(part, value, number, error);
    }
    if (header_value_is(name, "Content-Type"))
        part->content_type = header_value_first(value, &rest);
    return STATUS_OK;
}

/* The header lines and the empty line behind them. */
static enum status read_headers(struct multipart *multipart, struct multipart_part *part,
                                struct error *error)
{
    struct span body = multipart->body;
    size_t start = multipart->at, number = multipart->part_count;
    for (;;) {
        size_t at = multipart->at;
        size_t left = MULTIPART_MAX_HEADER_BYTES - (at - start);
        bool is_last = body.size - at <= left;
        const uint8_t *feed = memchr(body.data + at, '\n', is_last ? body.size - at : left);
        if (!feed && !is_last)
            return error_set(error, STATUS_BAD_REQUEST,
                             "part %zu: its headers are longer than %d bytes", number,
                             MULTIPART_MAX_HEADER_BYTES);
        if (!feed)
            return error_set(error, STATUS_BAD_REQUEST, "the body ends in the headers of part %zu",
                             number);
        size_t end = (size_t)(feed - body.data);
        multipart->at = end + 1;
        if (end > at && body.data[end - 1] == '\r')
            end--;
        if (end == at)
            return STATUS_OK;
        enum status status =
            read_header(part, (struct span){body.data + at, end - at}, number, error);
        if (status)
            return status;
    }
}

enum status multipart_next(struct multipart *multipart, struct multipart_part *ret_part,
                           bool *ret_has_part, struct error *error)
{
    if (multipart->is_closed) {
        *ret_has_part = false;
        return STATUS_OK;
    }
    if (multipart->part_count == multipart->max_parts)
        return error_set(error, STATUS_TOO_LARGE, "more than %zu parts", multipart->max_parts);
    multipart->part_count++;
    struct multipart_part part = {0};
    enum status status = read_headers(multipart, &part, error);
    if (status)
        return status;
    if (!part.name.value.data)
        return error_set(error, STATUS_BAD_REQUEST,
                         "part %zu has no \"Content-Disposition: form-data; name=...\"",
                         multipart->part_count);
    size_t start = multipart->at, end;
    if (!find_delimiter(multipart, &end))
        return error_set(error, STATUS_BAD_REQUEST,
                         "the body ends before the boundary that closes part %zu",
                         multipart->part_count);
    part.content = (struct span){multipart->body.data + start, end - start};
    *ret_part = part;
    *ret_has_part = true;
    return STATUS_OK;
}
