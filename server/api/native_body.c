#include "server/api/native_body.h"

#include <string.h>
#include <strings.h>

#include "model/base/alloc.h"
#include "model/image/decode.h"
#include "server/api/base64.h"
#include "server/api/form.h"
#include "server/api/json_body.h"
#include "server/api/media.h"
#include "server/api/multipart.h"

/* Of parameters, beside the images. */
enum { MAX_OTHER_FIELDS = 16, MAX_TEXT_PART_BYTES = 8193, MAX_FILE_NAME_BYTES = 1025 };

#define TAKEN "JPEG, PNG, WebP, BMP and GIF images are read"

struct reader {
    struct blob *body;
    struct span bytes;
    const char *content_type; /* "" where there is none */
    struct budget *budget;
    struct native_request *request;
    struct problem *problem;
};

static size_t max_fields(const struct reader *reader)
{
    size_t most;
    return checked_add(reader->request->max_images, MAX_OTHER_FIELDS, &most) ? most : SIZE_MAX;
}

static bool is_type(const struct reader *reader, const char *type)
{
    struct span rest, value = {(const uint8_t *)reader->content_type, strlen(reader->content_type)};
    return header_value_is(header_value_first(value, &rest), type);
}

static bool is_json(const struct reader *reader)
{
    struct span rest, value = {(const uint8_t *)reader->content_type, strlen(reader->content_type)};
    struct span type = header_value_first(value, &rest);
    if (header_value_is(type, "application/json") || header_value_is(type, "text/json"))
        return true;
    if (type.size > 5 && header_value_is((struct span){type.data + type.size - 5, 5}, "+json"))
        return true;
    return json_body_sniff(reader->bytes);
}

/* Multipart. */

/* %22, %0D and %0A are how browsers write what a quoted string cannot hold. */
static void decode_file_name(char *name)
{
    static const char *const escapes[] = {"%22\"", "%0D\r", "%0A\n"};
    char *into = name;
    while (*name) {
        *into = *name;
        size_t step = 1;
        for (size_t i = 0; i < 3; i++) {
            if (strncasecmp(name, escapes[i], 3) == 0) {
                *into = escapes[i][3];
                step = 3;
            }
        }
        name += step;
        into++;
    }
    *into = '\0';
}

static bool add_file(struct reader *reader, const struct multipart_part *part)
{
    char name[MAX_FILE_NAME_BYTES];
    /* Only told back: a name that is too long or odd is left out. */
    bool has_name =
        part->filename.value.size > 0 && header_value_text(&part->filename, name, sizeof name);
    if (has_name)
        decode_file_name(name);
    return native_request_add_bytes(reader->request, reader->body, part->content,
                                    has_name ? name : NULL, reader->problem);
}

static bool add_text_part(struct reader *reader, const struct multipart_part *part)
{
    char name[64], value[MAX_TEXT_PART_BYTES];
    if (!header_value_text(&part->name, name, sizeof name)) {
        problem_set(reader->problem, PROBLEM_BAD_REQUEST, "a part's name is longer than %zu bytes",
                    sizeof name - 1);
        return false;
    }
    struct header_parameter content = {.value = part->content};
    if (!header_value_text(&content, value, sizeof value)) {
        problem_set(reader->problem, PROBLEM_BAD_REQUEST,
                    "the part %s is neither an image nor text of at most %zu bytes", name,
                    sizeof value - 1);
        return false;
    }
    return native_request_add_field(reader->request, "part", name, value, reader->problem);
}

/* A field that the form of a browser sends although no file was chosen. */
static bool is_unused(const struct multipart_part *part)
{
    return part->has_filename && part->filename.value.size == 0 && part->content.size == 0;
}

static bool add_part(struct reader *reader, const struct multipart_part *part)
{
    enum image_format format;
    if (is_unused(part) || header_value_is(part->name.value, "_charset_"))
        return true;
    bool is_image = part->has_filename || decode_sniff(part->content, &format) ||
                    header_value_is(part->name.value, "image");
    return is_image ? add_file(reader, part) : add_text_part(reader, part);
}

/* One part that is no image is the request's fault, and more can be said of it than the decoder
 * would. */
static bool check_only_part(struct reader *reader, const struct multipart_part *part)
{
    const struct native_request *request = reader->request;
    enum image_format format;
    if (request->count != 1 || !request->images[0].blob ||
        decode_sniff(request->images[0].bytes, &format))
        return true;
    char seen[96], name[40];
    media_describe(request->images[0].bytes, seen, sizeof seen);
    if (!header_value_text(&part->name, name, sizeof name))
        (void)strcpy(name, "image");
    problem_set(reader->problem, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                part->has_filename ? "the part %s is %s; " TAKEN
                                   : "the part %s is %s; " TAKEN
                                     ". To send a file: curl -F image=@dog.jpg",
                name, seen);
    return false;
}

static bool read_multipart(struct reader *reader)
{
    struct multipart multipart;
    struct multipart_part part = {0}, image_part = {0};
    struct error error = {0};
    bool has_part = true, is_read = true;
    enum status status =
        multipart_init(&multipart, reader->bytes, reader->content_type, max_fields(reader), &error);
    while (!status && is_read) {
        status = multipart_next(&multipart, &part, &has_part, &error);
        if (status || !has_part)
            break;
        size_t before = reader->request->count;
        is_read = add_part(reader, &part);
        if (reader->request->count > before)
            image_part = part;
    }
    if (status == STATUS_TOO_LARGE)
        problem_set(reader->problem, PROBLEM_TOO_MANY_IMAGES,
                    "the form has %s; a request may carry %zu images", error.text,
                    reader->request->max_images);
    if (status)
        problem_set_error(reader->problem, &error);
    return !status && is_read && check_only_part(reader, &image_part);
}

/* JSON. */

static enum status decode_base64(struct base64 *base64, struct budget *budget,
                                 struct blob **ret_blob, struct error *error)
{
    uint8_t piece[3 * 2048]; /* threes, so that the decoder keeps its stride */
    size_t size, most = base64_max_bytes(base64);
    struct blob *blob;
    enum status status = blob_create(budget, most, &blob, error);
    if (status)
        return status;
    do {
        status = base64_read(base64, piece, sizeof piece, &size, error);
        if (!status)
            status = blob_append(blob, (struct span){piece, size}, most, error);
    } while (!status && size > 0);
    if (status)
        blob_release(blob);
    else
        *ret_blob = blob;
    return status;
}

static bool add_base64(struct reader *reader, const struct json_body_image *image)
{
    struct error error = {0};
    struct base64 base64;
    struct blob *blob;
    enum status status = base64_init(&base64, image->base64, image->has_escapes, &error);
    if (!status)
        status = decode_base64(&base64, reader->budget, &blob, &error);
    if (status) {
        error_prefix(&error, "%s", image->where);
        problem_set_error(reader->problem, &error);
        return false;
    }
    bool is_added =
        native_request_add_bytes(reader->request, blob, blob_bytes(blob), NULL, reader->problem);
    blob_release(blob);
    return is_added;
}

/* What JSON says must not contradict what the query said. */
static bool merge_parameters(struct reader *reader, const struct parameters *from)
{
    struct parameters *into = &reader->request->parameters;
    return (!from->has_model || parameters_set_model(into, from->model, reader->problem)) &&
           (!from->has_top_k || parameters_set_top_k(into, from->top_k, reader->problem)) &&
           (!from->has_min_probability ||
            parameters_set_min_probability(into, (double)from->min_probability, reader->problem));
}

static bool read_json(struct reader *reader)
{
    struct json_body body;
    if (!json_body_init(reader->bytes, reader->request->max_images, &body, reader->problem))
        return false;
    bool is_read = merge_parameters(reader, &body.parameters);
    for (size_t i = 0; is_read && i < body.count; i++)
        is_read = body.images[i].url
                      ? native_request_add_url(reader->request, body.images[i].url, reader->problem)
                      : add_base64(reader, &body.images[i]);
    reader->request->is_list |= body.is_list;
    json_body_fini(&body);
    return is_read;
}

/* Forms, and what is none of all. */

static bool refuse(struct reader *reader)
{
    char seen[96];
    media_describe(reader->bytes, seen, sizeof seen);
    bool is_url =
        span_has(reader->bytes, 0, "http://", 7) || span_has(reader->bytes, 0, "https://", 8);
    problem_set(reader->problem, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                is_url ? "the body is %s (Content-Type: %.80s); " TAKEN
                         ". For a URL: curl --data-urlencode url=https://example.org/dog.jpg"
                       : "the body is %s (Content-Type: %.80s); " TAKEN
                         ", and multipart/form-data, JSON and forms are taken. For example: "
                         "curl --data-binary @dog.jpg",
                seen, *reader->content_type ? reader->content_type : "none");
    return false;
}

/* `curl --data-binary @file` calls every file a form. */
static bool is_text(struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] < ' ' || bytes.data[i] == 0x7F)
            return false;
    return memchr(bytes.data, '=', bytes.size) != NULL;
}

/* What ends a line that was piped in is no part of the form. */
static struct span without_line_end(struct span bytes)
{
    while (bytes.size > 0 &&
           (bytes.data[bytes.size - 1] == '\n' || bytes.data[bytes.size - 1] == '\r'))
        bytes.size--;
    return bytes;
}

static bool read_form(struct reader *reader)
{
    struct span bytes = without_line_end(reader->bytes);
    struct error error = {0};
    struct form form;
    if (!is_text(bytes))
        return refuse(reader);
    if (form_init(bytes, max_fields(reader), &form, &error)) {
        problem_set_error(reader->problem, &error);
        return false;
    }
    bool is_read = true;
    for (size_t i = 0; is_read && i < form.count; i++)
        is_read = native_request_add_field(reader->request, "field", form.fields[i].name,
                                           form.fields[i].value, reader->problem);
    form_fini(&form);
    return is_read;
}

bool native_body_read(struct blob *body, const char *content_type, struct budget *budget,
                      struct native_request *request, struct problem *problem)
{
    struct reader reader = {
        .body = body,
        .bytes = blob_bytes(body),
        .content_type = content_type ? content_type : "",
        .budget = budget,
        .request = request,
        .problem = problem,
    };
    enum image_format format;
    if (decode_sniff(reader.bytes, &format))
        return native_request_add_bytes(request, body, reader.bytes, NULL, problem);
    if (is_type(&reader, "multipart/form-data"))
        return read_multipart(&reader);
    if (is_json(&reader))
        return read_json(&reader);
    if (is_type(&reader, "application/x-www-form-urlencoded"))
        return read_form(&reader);
    return refuse(&reader);
}
