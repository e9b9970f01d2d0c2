#include "server/config/config_faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/config/config_options.h"

/* For "and 123456 more faults". */
enum { CLOSING_BYTES = 40 };

bool config_faults_is_full(const struct config_faults *faults)
{
    return faults->told < faults->count;
}

void config_faults_add(struct config_faults *faults, const char *format, ...)
{
    char line[sizeof faults->text];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; *at; at++)
        *at = (unsigned char)*at < ' ' || *at == '\x7f' ? '?' : *at;

    size_t room = sizeof faults->text - CLOSING_BYTES - faults->used;
    bool fits = length >= 0 && (size_t)length + 1 < room && !config_faults_is_full(faults);
    if (faults->count++ > 0 && !fits)
        return;
    /* The first is told in any case, if need be without its end. */
    length =
        snprintf(faults->text + faults->used, room, "%s%s", faults->used > 0 ? "\n" : "", line);
    faults->used += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
    faults->told++;
}

void config_faults_add_unknown(struct config_faults *faults, const char *place, const char *name)
{
    const char *nearest = config_options_nearest(name);
    config_faults_add(faults, "%s: %.100s: unknown option%s%s%s", place, name,
                      nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

enum status config_faults_finish(const struct config_faults *faults, struct error *error)
{
    if (faults->count == 0)
        return STATUS_OK;
    if (!config_faults_is_full(faults))
        return error_set(error, STATUS_BAD_REQUEST, "%s", faults->text);
    size_t more = faults->count - faults->told;
    return error_set(error, STATUS_BAD_REQUEST, "%s\nand %zu more fault%s", faults->text, more,
                     more == 1 ? "" : "s");
}
