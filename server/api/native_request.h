/* What a request to /classify asks for: its images in order, and its parameters. */
#ifndef CLASSIFYD_SERVER_API_NATIVE_REQUEST_H
#define CLASSIFYD_SERVER_API_NATIVE_REQUEST_H

#include "server/api/parameters.h"
#include "server/blob.h"

struct native_image {
    struct blob *blob; /* holds `bytes`, one reference; NULL with a URL */
    struct span bytes;
    char *url;  /* owned, as `file`; NULL with bytes */
    char *file; /* NULL: the client gave no name */
};

struct native_request {
    struct parameters parameters;
    bool is_list; /* answer with a list, even of one */
    size_t count, max_images;
    struct native_image *images; /* [count] of [max_images] */
};

/* Empty. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status native_request_init(struct native_request *request, size_t max_images,
                                           struct error *error);

/* Accepts a zeroed struct. */
void native_request_fini(struct native_request *request);

/* Appends an image. False: `problem` says why (too_many_images, bad_request for a URL that is too
 * long, overloaded without memory). `blob` is retained, texts are copied; `file` may be NULL. */
bool native_request_add_bytes(struct native_request *request, struct blob *blob, struct span bytes,
                              const char *file, struct problem *problem);
bool native_request_add_url(struct native_request *request, const char *url,
                            struct problem *problem);

/* A field as text, of a query or a form: url or one of the parameters. `kind` names it in a
 * problem: "parameter", "field". */
bool native_request_add_field(struct native_request *request, const char *kind, const char *name,
                              const char *value, struct problem *problem);

#endif
