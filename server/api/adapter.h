/* What the HTTP server asks of a dialect: which paths it has, what a request to them means, and how
 * answers and problems are written. One adapter a dialect; native.c is the first. Nothing here
 * knows sockets or libmicrohttpd. */
#ifndef CLASSIFYD_SERVER_API_ADAPTER_H
#define CLASSIFYD_SERVER_API_ADAPTER_H

#include "server/metrics.h"
#include "server/pipeline/item.h"

/* A query parameter, percent-decoded. */
struct adapter_parameter {
    const char *name, *value; /* value is "" where there is none */
};

/* A request that has arrived whole; everything is borrowed for the call. */
struct adapter_request {
    const char *method;       /* "POST"; a HEAD comes as "GET" */
    const char *path;         /* "/classify", decoded, without the query */
    const char *host;         /* the Host header; NULL: none */
    const char *content_type; /* as sent; NULL: none */
    const char *request_id;
    size_t parameter_count;
    const struct adapter_parameter *parameters;
    struct blob *body; /* NULL where there is none */
};

/* Filled by a parse; each item is one reference, which the caller takes. */
struct adapter_items {
    size_t count;
    struct item **items; /* [count], owned, free() */
    bool is_many;        /* answer with a list, whatever the count: `urls`, or more than one part */
};

/* An answer to be sent. */
struct adapter_reply {
    unsigned http_status;
    const char *content_type;  /* constant text */
    const char *constant;      /* a body that lives as long as the program, or */
    char *text;                /* one to be freed by the sender; NULL with `constant` */
    size_t size;               /* of either, in bytes */
    char server_timing[256];   /* "" : no such header */
    unsigned retry_after_s;    /* 0: no such header */
    const char *cache_control; /* NULL: "no-store" */
};

struct adapter_route {
    const char *path; /* "/classify"; NULL closes a table */
    const char
        *methods; /* as in Allow: "GET, POST, PUT"; GET implies HEAD, and every route has OPTIONS */
    const char *summary; /* a phrase, for the documents and openapi.json's test */
    enum metrics_route metric;
    bool is_probe; /* answered on connections over the limit and while draining, too */

    /* One of the two. `answer` makes a reply at once, on the event thread, never blocking. */
    void (*answer)(void *user, const struct adapter_request *request,
                   struct adapter_reply *ret_reply);
    /* `parse` makes the items to classify; false: `ret_problem` says why, and there are none. */
    bool (*parse)(void *user, const struct adapter_request *request,
                  struct adapter_items *ret_items, struct problem *ret_problem);
    /* Formats finished items (all of a job's). Whatever fails becomes a 500 in the reply. */
    void (*format)(void *user, const struct adapter_request *request, struct item *const *items,
                   size_t count, bool is_many, struct adapter_reply *ret_reply);
};

struct adapter {
    const struct adapter_route *routes;
    void *user; /* of every function of its routes and of format_problem */
    /* A problem of the whole request; `request` has at least its id, the rest may be NULL. */
    void (*format_problem)(void *user, const struct adapter_request *request,
                           const struct problem *problem, struct adapter_reply *ret_reply);
};

#endif
