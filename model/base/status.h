/* What became of a call, and the text that tells a person why.
 *
 * One closed list of statuses for the whole program. The number says what kind of failure it was
 * (the server maps it to an HTTP status, the command line to an exit status); the words travel in a
 * `struct error` that the caller owns. */
#ifndef CLASSIFYD_MODEL_BASE_STATUS_H
#define CLASSIFYD_MODEL_BASE_STATUS_H

#include <stdarg.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    STATUS_OK = 0,
    STATUS_BAD_REQUEST,   /* the caller asked for something that makes no sense */
    STATUS_NOT_FOUND,     /* no such file, model or class */
    STATUS_TOO_LARGE,     /* over a named limit */
    STATUS_UNSUPPORTED,   /* well-formed, but a kind that we do not read */
    STATUS_NOT_DECODABLE, /* an image that is broken */
    STATUS_BAD_MODEL,     /* a weight file or network that is broken or does not fit */
    STATUS_FETCH_FAILED,  /* the network, or what came over it */
    STATUS_TIMEOUT,
    STATUS_OVERLOADED,
    STATUS_NO_MEMORY,
    STATUS_IO, /* the file system said no */
    STATUS_INTERNAL,
};

/* Owned by the caller, zeroed before first use (`struct error error = {0}`). */
struct error {
    enum status status;
    char text[512]; /* one sentence without a full stop: what happened, where, what to do */
};

/* The stable code of a status as it stands in JSON: "not_decodable". Any thread. */
const char *status_code(enum status status);

/* Writes status and text, unless `error` holds one already (the first error wins). `error` may be
 * NULL. */
void error_write(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and is `status`, so that `return error_set(error, STATUS_..., "...")` reads well. A
 * macro, so that compilers and analysers see that what comes back is what went in. */
#define error_set(error, code, ...)                                                                \
    __extension__({                                                                                \
        enum status error_set_code = (code);                                                       \
        error_write((error), error_set_code, __VA_ARGS__);                                         \
        error_set_code;                                                                            \
    })

/* Puts "prefix: " before the text of an error that is set; for a caller that knows the file's name.
 */
void error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
