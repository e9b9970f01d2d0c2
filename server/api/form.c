#include "server/api/form.h"

#include <stdbool.h>
#include <stdlib.h>

#include "model/base/alloc.h"

static int digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    uint8_t letter = digit | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* One byte of `text` at `at`, which steps behind it; -1 where it cannot be read. */
static int take_byte(struct span text, size_t *at)
{
    uint8_t byte = text.data[(*at)++];
    if (byte == '+')
        return ' ';
    if (byte != '%')
        return byte;
    int high = *at < text.size ? digit_value(text.data[*at]) : -1;
    int low = *at + 1 < text.size ? digit_value(text.data[*at + 1]) : -1;
    *at += 2;
    return high >= 0 && low >= 0 ? high << 4 | low : -1;
}

/* Decodes into `into`, which takes as many bytes as `text` has and a NUL. */
static enum status decode(struct span text, char *into, struct error *error)
{
    for (size_t at = 0; at < text.size;) {
        int byte = take_byte(text, &at);
        if (byte < 0)
            return error_set(error, STATUS_BAD_REQUEST,
                             "not a form: a \"%%\" is not followed by two hexadecimal digits");
        if (byte < ' ' || byte == 0x7F)
            return error_set(error, STATUS_BAD_REQUEST,
                             "not a form: it holds the control "
                             "character 0x%02x",
                             (unsigned)byte);
        *into++ = (char)byte;
    }
    *into = '\0';
    return STATUS_OK;
}

static size_t count_fields(struct span text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == '&';
    return count;
}

/* Appends the field `text`; `into` has room for its bytes and two NULs. */
static enum status add_field(struct form *form, struct span text, char *into, struct error *error)
{
    const uint8_t *sign = memchr(text.data, '=', text.size);
    size_t name_bytes = sign ? (size_t)(sign - text.data) : text.size;
    struct span value = {text.data + text.size, 0};
    if (sign)
        value = (struct span){sign + 1, text.size - name_bytes - 1};
    char *into_value = into + name_bytes + 1;
    enum status status = decode((struct span){text.data, name_bytes}, into, error);
    if (!status)
        status = decode(value, into_value, error);
    if (!status)
        form->fields[form->count++] = (struct form_field){into, into_value};
    return status;
}

static enum status read_fields(struct form *form, struct span text, struct error *error)
{
    char *into = form->text;
    for (size_t at = 0; at < text.size;) {
        const uint8_t *sign = memchr(text.data + at, '&', text.size - at);
        size_t end = sign ? (size_t)(sign - text.data) : text.size;
        if (end > at) {
            enum status status =
                add_field(form, (struct span){text.data + at, end - at}, into, error);
            if (status)
                return status;
            into += end - at + 2;
        }
        at = end + 1;
    }
    return STATUS_OK;
}

enum status form_init(struct span text, size_t max_fields, struct form *ret_form,
                      struct error *error)
{
    if (text.size > FORM_MAX_BYTES)
        return error_set(error, STATUS_TOO_LARGE, "the form has %zu bytes; %d are taken", text.size,
                         FORM_MAX_BYTES);
    size_t count = count_fields(text);
    if (count > max_fields)
        return error_set(error, STATUS_TOO_LARGE, "the form has %zu fields; %zu are taken", count,
                         max_fields);
    struct form form = {
        .fields = alloc_array(count, sizeof *form.fields, SIZE_MAX),
        .text = alloc_array(text.size + count * 2, 1, SIZE_MAX),
    };
    enum status status = form.fields && form.text
                             ? read_fields(&form, text, error)
                             : error_set(error, STATUS_NO_MEMORY, "no memory for a form");
    if (status)
        form_fini(&form);
    else
        *ret_form = form;
    return status;
}

void form_fini(struct form *form)
{
    free(form->fields);
    free(form->text);
    *form = (struct form){0};
}
