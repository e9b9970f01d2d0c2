#include "server/http/target.h"

#include <stdlib.h>
#include <strings.h>

#include "model/base/alloc.h"
#include "model/base/utf8.h"

/* Many times a request head; whatever is longer was refused before. */
enum { MAX_TARGET_BYTES = 1 << 20 };

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

static bool is_utf8(const char *text)
{
    while (*text) {
        uint32_t character;
        size_t length = utf8_read(text, &character);
        if (length == 0)
            return false;
        text += length;
    }
    return true;
}

/* Decodes in place: the result is never longer. */
static enum status decode(char *text, bool is_query, struct error *error)
{
    const char *from = text;
    char *to = text;
    while (*from) {
        if (*from == '%') {
            int high = hex_value(from[1]);
            int low = high < 0 ? -1 : hex_value(from[2]);
            if (low < 0)
                return error_set(error, STATUS_BAD_REQUEST,
                                 "the URL has a %% that no two hexadecimal digits follow");
            if (high == 0 && low == 0)
                return error_set(error, STATUS_BAD_REQUEST, "the URL has a NUL (%%00)");
            *to++ = (char)(high << 4 | low);
            from += 3;
        } else {
            *to++ = is_query && *from == '+' ? ' ' : *from;
            from++;
        }
    }
    *to = '\0';
    if (!is_utf8(text))
        return error_set(error, STATUS_BAD_REQUEST, "the URL is not UTF-8");
    return STATUS_OK;
}

/* Past the scheme and the authority of an absolute target. */
static char *skip_authority(char *text)
{
    size_t scheme = strncasecmp(text, "http://", 7) == 0    ? 7
                    : strncasecmp(text, "https://", 8) == 0 ? 8
                                                            : 0;
    return scheme > 0 ? text + scheme + strcspn(text + scheme, "/?") : text;
}

static size_t count_parameters(const char *query)
{
    size_t count = 1;
    for (; *query; query++)
        count += *query == '&';
    return count;
}

static enum status parse_query(char *query, struct target *target, struct error *error)
{
    size_t room = count_parameters(query);
    if (room > TARGET_MAX_PARAMETERS)
        return error_set(error, STATUS_BAD_REQUEST, "the URL has more than %d parameters",
                         TARGET_MAX_PARAMETERS);
    target->parameters = calloc(room, sizeof *target->parameters);
    if (!target->parameters)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the URL's parameters");
    for (char *rest = query; rest;) {
        char *name = strsep(&rest, "&");
        if (!*name)
            continue;
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        else
            value = name + strlen(name);
        enum status status = decode(name, true, error);
        if (!status)
            status = decode(value, true, error);
        if (status)
            return status;
        target->parameters[target->parameter_count++] = (struct adapter_parameter){name, value};
    }
    return STATUS_OK;
}

enum status target_parse(const char *text, struct target *ret_target, struct error *error)
{
    struct target target = {0};
    target.text = alloc_string(text, MAX_TARGET_BYTES);
    if (!target.text)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the URL");
    char *path = skip_authority(target.text);
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    target.path = *path ? path : "/";
    enum status status = decode(path, false, error);
    if (!status && query)
        status = parse_query(query, &target, error);
    if (status) {
        target_fini(&target);
        return status;
    }
    *ret_target = target;
    return STATUS_OK;
}

void target_fini(struct target *target)
{
    free(target->parameters);
    free(target->text);
    *target = (struct target){0};
}
