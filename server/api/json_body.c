#include "server/api/json_body.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/base/alloc.h"

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

bool json_body_sniff(struct span text)
{
    size_t at = span_has(text, 0, "\xEF\xBB\xBF", 3) ? 3 : 0;
    while (at < text.size && is_space(text.data[at]))
        at++;
    return span_has(text, at, "{", 1);
}

struct reader {
    struct json_body *body;
    size_t max_images;
    struct problem *problem;
};

static bool fail(struct reader *reader, const char *where, const char *what)
{
    problem_set(reader->problem, PROBLEM_BAD_REQUEST, "%s must be %s", where, what);
    return false;
}

/* A slot for one more image; NULL where there are too many. */
static struct json_body_image *add_image(struct reader *reader, const char *where)
{
    struct json_body *body = reader->body;
    if (body->count == reader->max_images) {
        problem_set(reader->problem, PROBLEM_TOO_MANY_IMAGES,
                    "more than the %zu images that one request may carry", reader->max_images);
        return NULL;
    }
    struct json_body_image *image = &body->images[body->count++];
    (void)snprintf(image->where, sizeof image->where, "%s", where);
    return image;
}

static bool read_url(struct reader *reader, const char *where, const struct json_node *value)
{
    const char *url = json_node_string(value);
    if (!url)
        return fail(reader, where, "a string");
    if (json_skeleton_find(&reader->body->skeleton, url))
        return fail(reader, where, "a URL; this is far too long to be one");
    struct json_body_image *image = add_image(reader, where);
    if (image)
        image->url = url;
    return image;
}

static bool read_image(struct reader *reader, const char *where, const struct json_node *value)
{
    const char *text = json_node_string(value);
    if (!text)
        return fail(reader, where, "a string: the image file in base64");
    if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0)
        return fail(reader, where, "the image file in base64; a URL goes into \"url\"");
    struct json_body_image *image = add_image(reader, where);
    if (!image)
        return false;
    const struct span *cut_out = json_skeleton_find(&reader->body->skeleton, text);
    image->has_escapes = cut_out;
    image->base64 = cut_out ? *cut_out : (struct span){(const uint8_t *)text, strlen(text)};
    return true;
}

typedef bool read_function(struct reader *reader, const char *where, const struct json_node *value);

static bool read_list(struct reader *reader, const char *where, const struct json_node *value,
                      read_function *read)
{
    if (!json_node_is_array(value) || json_node_count(value) == 0)
        return fail(reader, where, "a list of at least one string");
    reader->body->is_list = true;
    for (size_t i = 0; i < json_node_count(value); i++) {
        char item[24];
        (void)snprintf(item, sizeof item, "%s[%zu]", where, i);
        if (!read(reader, item, json_node_item(value, i)))
            return false;
    }
    return true;
}

static bool read_urls(struct reader *reader, const char *where, const struct json_node *value)
{
    return read_list(reader, where, value, read_url);
}

static bool read_images(struct reader *reader, const char *where, const struct json_node *value)
{
    return read_list(reader, where, value, read_image);
}

static bool read_top_k(struct reader *reader, const char *where, const struct json_node *value)
{
    int64_t top_k;
    if (!json_node_integer(value, &top_k))
        return fail(reader, where, "a whole number");
    return parameters_set_top_k(&reader->body->parameters, top_k, reader->problem);
}

static bool read_min_probability(struct reader *reader, const char *where,
                                 const struct json_node *value)
{
    double min_probability;
    if (!json_node_number(value, &min_probability))
        return fail(reader, where, "a number");
    return parameters_set_min_probability(&reader->body->parameters, min_probability,
                                          reader->problem);
}

static bool read_model(struct reader *reader, const char *where, const struct json_node *value)
{
    const char *name = json_node_string(value);
    if (!name)
        return fail(reader, where, "a string");
    return parameters_set_model(&reader->body->parameters, name, reader->problem);
}

static const struct {
    const char *key;
    read_function *read;
} table[] = {
    {"url", read_url},       {"urls", read_urls},   {"image", read_image},
    {"images", read_images}, {"top_k", read_top_k}, {"min_probability", read_min_probability},
    {"model", read_model},
};

static bool read_member(void *user, const char *key, const struct json_node *value)
{
    static const char *const others[] = {"url", "urls", "image", "images", NULL};
    struct reader *reader = user;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].key, key) == 0)
            return table[i].read(reader, key, value);
    parameters_refuse_name(key, "field", others, reader->problem);
    return false;
}

static enum status parse(struct span text, size_t max_images, struct json_body *body,
                         struct error *error)
{
    /* As much as may be meant: a URL and a place in a list for each image, and some space. */
    size_t max_values, max_bytes;
    if (!checked_mul(max_images, 2, &max_values) || !checked_add(max_values, 1000, &max_values) ||
        !checked_mul(max_images, JSON_SKELETON_LONG_BYTES + 16, &max_bytes) ||
        !checked_add(max_bytes, 65536, &max_bytes))
        max_values = max_bytes = SIZE_MAX;
    if (span_has(text, 0, "\xEF\xBB\xBF", 3))
        text = (struct span){text.data + 3, text.size - 3};
    enum status status = json_skeleton_init(text, max_values, max_bytes, &body->skeleton, error);
    if (status)
        return status;
    struct span skeleton = {(const uint8_t *)body->skeleton.text, body->skeleton.size};
    status = json_doc_parse(skeleton, &body->doc, error);
    if (status == STATUS_BAD_REQUEST)
        error_prefix(error, "the body is not JSON");
    return status;
}

bool json_body_init(struct span text, size_t max_images, struct json_body *ret_body,
                    struct problem *problem)
{
    struct error error = {0};
    struct json_body body = {
        .images = alloc_array(max_images, sizeof *body.images, SIZE_MAX),
    };
    if (!body.images)
        error_write(&error, STATUS_NO_MEMORY, "no memory for %zu images", max_images);
    else
        (void)parse(text, max_images, &body, &error);
    if (error.status)
        problem_set_error(problem, &error);
    struct reader reader = {&body, max_images, problem};
    bool is_read = !error.status;
    if (is_read && !json_node_is_object(json_doc_root(body.doc)))
        is_read = fail(&reader, "the JSON", "an object: {\"url\": ...} or {\"image\": ...}");
    if (is_read)
        is_read = json_node_each(json_doc_root(body.doc), read_member, &reader);
    if (is_read)
        *ret_body = body;
    else
        json_body_fini(&body);
    return is_read;
}

void json_body_fini(struct json_body *body)
{
    free(body->images);
    json_doc_destroy(body->doc);
    json_skeleton_fini(&body->skeleton);
    *body = (struct json_body){0};
}
