#include "server/api/header_value.h"

#include <strings.h>

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct span without_first(struct span bytes, size_t count)
{
    return (struct span){bytes.data + count, bytes.size - count};
}

static struct span skip_spaces(struct span bytes)
{
    while (bytes.size > 0 && is_space(bytes.data[0]))
        bytes = without_first(bytes, 1);
    return bytes;
}

static struct span trim(struct span bytes)
{
    bytes = skip_spaces(bytes);
    while (bytes.size > 0 && is_space(bytes.data[bytes.size - 1]))
        bytes.size--;
    return bytes;
}

/* Up to the first of two bytes, or all. */
static struct span before(struct span bytes, char first, char second)
{
    size_t size = 0;
    while (size < bytes.size && bytes.data[size] != (uint8_t)first &&
           bytes.data[size] != (uint8_t)second)
        size++;
    return (struct span){bytes.data, size};
}

struct span header_value_first(struct span value, struct span *ret_rest)
{
    struct span first = before(value, ';', ';');
    *ret_rest = without_first(value, first.size);
    return trim(first);
}

/* `rest` stands behind the opening quote; false where there is no closing one. */
static bool take_quoted(struct span *rest, struct span *ret_value)
{
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '"') {
        bool is_escape = rest->data[size] == '\\' && size + 1 < rest->size &&
                         (rest->data[size + 1] == '"' || rest->data[size + 1] == '\\');
        size += is_escape ? 2 : 1;
    }
    if (size >= rest->size)
        return false;
    *ret_value = (struct span){rest->data, size};
    *rest = without_first(*rest, size + 1);
    return true;
}

enum header_value_step header_value_next(struct span *rest, struct header_parameter *ret_parameter)
{
    struct span at = skip_spaces(*rest);
    while (at.size > 0 && at.data[0] == ';')
        at = skip_spaces(without_first(at, 1));
    if (at.size == 0)
        return HEADER_VALUE_END;
    struct header_parameter parameter = {.name = before(at, '=', ';')};
    at = without_first(at, parameter.name.size);
    parameter.name = trim(parameter.name);
    if (at.size == 0 || at.data[0] != '=' || parameter.name.size == 0)
        return HEADER_VALUE_MALFORMED;
    at = skip_spaces(without_first(at, 1));
    parameter.is_quoted = at.size > 0 && at.data[0] == '"';
    if (parameter.is_quoted) {
        at = without_first(at, 1);
        if (!take_quoted(&at, &parameter.value))
            return HEADER_VALUE_MALFORMED;
    } else {
        parameter.value = before(at, ';', ';');
        at = without_first(at, parameter.value.size);
        parameter.value = trim(parameter.value);
    }
    at = skip_spaces(at);
    if (at.size > 0 && at.data[0] != ';')
        return HEADER_VALUE_MALFORMED;
    *rest = at;
    *ret_parameter = parameter;
    return HEADER_VALUE_FOUND;
}

bool header_value_is(struct span bytes, const char *word)
{
    return bytes.size == strlen(word) &&
           strncasecmp((const char *)bytes.data, word, bytes.size) == 0;
}

bool header_value_text(const struct header_parameter *parameter, char *ret_text, size_t size)
{
    struct span value = parameter->value;
    size_t length = 0;
    for (size_t i = 0; i < value.size; i++) {
        bool is_escape = parameter->is_quoted && value.data[i] == '\\' && i + 1 < value.size &&
                         (value.data[i + 1] == '"' || value.data[i + 1] == '\\');
        if (is_escape)
            i++;
        if (value.data[i] == '\0' || length + 1 >= size)
            return false;
        ret_text[length++] = (char)value.data[i];
    }
    if (length >= size)
        return false;
    ret_text[length] = '\0';
    return true;
}
