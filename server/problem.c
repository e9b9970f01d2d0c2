#include "server/problem.h"

#include <stdarg.h>
#include <stdio.h>

static const struct problem_kind kinds[PROBLEM_COUNT] = {
    [PROBLEM_NONE] = {"ok", 200, 0, "OK", "answered"},
    [PROBLEM_BAD_REQUEST] = {"bad_request", 400, 0, "Bad Request",
                             "a malformed body, parameter, header or URL"},
    [PROBLEM_ADDRESS_NOT_ALLOWED] =
        {"address_not_allowed", 403, 0, "Forbidden",
         "the URL leads to a host, port or address that is not allowed"},
    [PROBLEM_FETCH_DISABLED] = {"fetch_disabled", 403, 0, "Forbidden",
                                "this server does not fetch URLs"},
    [PROBLEM_NOT_FOUND] = {"not_found", 404, 0, "Not Found", "no such path"},
    [PROBLEM_MODEL_NOT_FOUND] = {"model_not_found", 404, 0, "Not Found",
                                 "no model of that name is served"},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, 0, "Method Not Allowed",
                                    "the path takes other methods: see Allow"},
    [PROBLEM_TOO_LARGE] = {"too_large", 413, 0, "Content Too Large",
                           "the body or an image is over a limit"},
    [PROBLEM_TOO_MANY_IMAGES] = {"too_many_images", 413, 0, "Content Too Large",
                                 "more images than one request may carry"},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415, 0, "Unsupported Media Type",
                                        "neither an image that is read here, nor a form, nor JSON"},
    [PROBLEM_NOT_DECODABLE] = {"not_decodable", 422, 0, "Unprocessable Content",
                               "an image that is broken"},
    [PROBLEM_INTERNAL] = {"internal", 500, 0, "Internal Server Error", "our fault; see the log"},
    [PROBLEM_FETCH_FAILED] = {"fetch_failed", 502, 0, "Bad Gateway",
                              "the URL could not be fetched: name, connection or protocol"},
    [PROBLEM_FETCH_STATUS] = {"fetch_status", 502, 0, "Bad Gateway",
                              "the URL's server answered with another status than 200"},
    [PROBLEM_FETCH_TLS] = {"fetch_tls", 502, 0, "Bad Gateway",
                           "no trusted TLS connection to the URL's server"},
    [PROBLEM_FETCH_TOO_LARGE] = {"fetch_too_large", 502, 0, "Bad Gateway",
                                 "the URL's content is over fetch.max_bytes"},
    [PROBLEM_FETCH_NOT_AN_IMAGE] = {"fetch_not_an_image", 502, 0, "Bad Gateway",
                                    "the URL's content is no image that is read here"},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, 1, "Service Unavailable",
                            "more requests, connections or memory than this server takes at once"},
    [PROBLEM_DRAINING] = {"draining", 503, 1, "Service Unavailable", "the server is shutting down"},
    [PROBLEM_MODEL_NOT_READY] = {"model_not_ready", 503, 2, "Service Unavailable",
                                 "the model is still being loaded, or could not be"},
    [PROBLEM_FETCH_TIMEOUT] = {"fetch_timeout", 504, 0, "Gateway Timeout",
                               "the URL's server was too slow"},
    [PROBLEM_TIMEOUT] = {"timeout", 504, 0, "Gateway Timeout",
                         "the answer was not ready within server.request_timeout_ms"},
    [PROBLEM_CLIENT_GONE] = {"client_gone", 499, 0, "Client Closed Request",
                             "the client left before its answer; in the log and the metrics only"},
};

/* What a failure of model/ means to the client. */
static const enum problem_code codes[] = {
    [STATUS_OK] = PROBLEM_INTERNAL, /* a failure that forgot to say what it is */
    [STATUS_BAD_REQUEST] = PROBLEM_BAD_REQUEST,
    [STATUS_NOT_FOUND] = PROBLEM_NOT_FOUND,
    [STATUS_TOO_LARGE] = PROBLEM_TOO_LARGE,
    [STATUS_UNSUPPORTED] = PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    [STATUS_NOT_DECODABLE] = PROBLEM_NOT_DECODABLE,
    [STATUS_BAD_MODEL] = PROBLEM_INTERNAL,
    [STATUS_FETCH_FAILED] = PROBLEM_FETCH_FAILED,
    [STATUS_TIMEOUT] = PROBLEM_TIMEOUT,
    [STATUS_OVERLOADED] = PROBLEM_OVERLOADED,
    [STATUS_NO_MEMORY] = PROBLEM_OVERLOADED,
    [STATUS_IO] = PROBLEM_INTERNAL,
    [STATUS_INTERNAL] = PROBLEM_INTERNAL,
};

const struct problem_kind *problem_kind(enum problem_code code)
{
    return &kinds[code];
}

void problem_set(struct problem *problem, enum problem_code code, const char *format, ...)
{
    if (problem->code != PROBLEM_NONE)
        return;
    problem->code = code;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem->detail, sizeof problem->detail, format, arguments);
    va_end(arguments);
}

void problem_set_error(struct problem *problem, const struct error *error)
{
    problem_set(problem, codes[error->status], "%s", error->text);
}
