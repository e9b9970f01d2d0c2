/* Every way a request can fail, as a client is told: RFC 9457, in one table.
 *
 * An `enum status` says what went wrong inside; a problem says what that means to whoever asked. */
#ifndef CLASSIFYD_SERVER_PROBLEM_H
#define CLASSIFYD_SERVER_PROBLEM_H

#include "model/base/status.h"

enum problem_code {
    PROBLEM_NONE = 0,
    PROBLEM_BAD_REQUEST,            /* 400 malformed body, parameter, JSON or URL */
    PROBLEM_ADDRESS_NOT_ALLOWED,    /* 403 the URL's host, port or address is none of the allowed */
    PROBLEM_FETCH_DISABLED,         /* 403 fetch.enabled is false */
    PROBLEM_NOT_FOUND,              /* 404 no such path */
    PROBLEM_MODEL_NOT_FOUND,        /* 404 no such model */
    PROBLEM_METHOD_NOT_ALLOWED,     /* 405 */
    PROBLEM_TOO_LARGE,              /* 413 the body, or an image in bytes or pixels */
    PROBLEM_TOO_MANY_IMAGES,        /* 413 more than limits.images */
    PROBLEM_UNSUPPORTED_MEDIA_TYPE, /* 415 neither an image that is read, nor a form, nor JSON */
    PROBLEM_NOT_DECODABLE,          /* 422 an image that is broken */
    PROBLEM_INTERNAL,               /* 500 our fault */
    PROBLEM_FETCH_FAILED,           /* 502 name, connection, protocol */
    PROBLEM_FETCH_STATUS,           /* 502 the other server answered, but not with 200 */
    PROBLEM_FETCH_TLS,              /* 502 certificate or handshake */
    PROBLEM_FETCH_TOO_LARGE,        /* 502 over fetch.max_bytes */
    PROBLEM_FETCH_NOT_AN_IMAGE,     /* 502 it sent something else */
    PROBLEM_OVERLOADED,             /* 503 over a limit of requests, connections or memory */
    PROBLEM_DRAINING,               /* 503 shutting down */
    PROBLEM_MODEL_NOT_READY,        /* 503 still loading, or failed to load */
    PROBLEM_FETCH_TIMEOUT,          /* 504 the other server was too slow */
    PROBLEM_TIMEOUT,                /* 504 over server.request_timeout_ms */
    PROBLEM_CLIENT_GONE,            /* 499 nobody is told; for the log and the metrics */
    PROBLEM_COUNT
};

/* Owned by the caller; zeroed: no problem. */
struct problem {
    enum problem_code code;
    char detail[512]; /* one sentence without a full stop: what, where, what to do */
};

/* What the table says of one code. */
struct problem_kind {
    const char *name;       /* "not_decodable": the stable code */
    unsigned http_status;   /* 422 */
    unsigned retry_after_s; /* Retry-After; 0: none */
    const char *title;      /* the HTTP phrase: "Unprocessable Content" */
    const char *meaning;    /* for the documents: a phrase in lower case */
};

/* Any thread. */
const struct problem_kind *problem_kind(enum problem_code code);

/* Writes code and detail, unless `problem` holds one already. */
void problem_set(struct problem *problem, enum problem_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from what a call of model/ said of an uploaded image or a request. */
void problem_set_error(struct problem *problem, const struct error *error);

#endif
