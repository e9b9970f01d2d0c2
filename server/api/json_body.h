/* A JSON request body: {"url", "urls", "image", "images", "top_k", "min_probability", "model"}.
 * Pure. */
#ifndef CLASSIFYD_SERVER_API_JSON_BODY_H
#define CLASSIFYD_SERVER_API_JSON_BODY_H

#include "model/base/json_doc.h"
#include "server/api/json_skeleton.h"
#include "server/api/parameters.h"

/* One image, in the document's order. */
struct json_body_image {
    const char *url;    /* NULL: it is in `base64` */
    struct span base64; /* for base64_init */
    bool has_escapes;
    char where[24]; /* for messages: "image", "images[3]" */
};

struct json_body {
    struct parameters parameters;
    bool is_list; /* `urls` or `images` was there */
    size_t count;
    struct json_body_image *images; /* [count]; borrow from the text and from: */
    struct json_doc *doc;
    struct json_skeleton skeleton;
};

/* Whether a body is JSON for this dialect: it begins with a "{" after white space. */
bool json_body_sniff(struct span text);

/* Reads `text`, which must live as long as the result. False: `problem` says why: bad_request,
 * too_many_images over `max_images`, too_large, overloaded (no memory). `ret_body` is to be given
 * to json_body_fini. */
bool json_body_init(struct span text, size_t max_images, struct json_body *ret_body,
                    struct problem *problem);

/* Accepts a zeroed struct. */
void json_body_fini(struct json_body *body);

#endif
