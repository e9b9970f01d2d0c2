#include "model/base/status.h"

#include <stdio.h>
#include <string.h>

const char *status_code(enum status status)
{
    static const char *const codes[] = {
        [STATUS_OK] = "ok",
        [STATUS_BAD_REQUEST] = "bad_request",
        [STATUS_NOT_FOUND] = "not_found",
        [STATUS_TOO_LARGE] = "too_large",
        [STATUS_UNSUPPORTED] = "unsupported",
        [STATUS_NOT_DECODABLE] = "not_decodable",
        [STATUS_BAD_MODEL] = "bad_model",
        [STATUS_FETCH_FAILED] = "fetch_failed",
        [STATUS_TIMEOUT] = "timeout",
        [STATUS_OVERLOADED] = "overloaded",
        [STATUS_NO_MEMORY] = "no_memory",
        [STATUS_IO] = "io",
        [STATUS_INTERNAL] = "internal",
    };
    return codes[status];
}

void error_write(struct error *error, enum status status, const char *format, ...)
{
    if (!error || error->status != STATUS_OK)
        return;
    error->status = status;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
}

void error_prefix(struct error *error, const char *format, ...)
{
    if (!error || error->status == STATUS_OK)
        return;
    struct error inner = *error;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof error->text)
        return;
    size_t used = (size_t)length;
    (void)snprintf(error->text + used, sizeof error->text - used, ": %.*s",
                   (int)(sizeof error->text - used), inner.text);
}
