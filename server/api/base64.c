#include "server/api/base64.h"

#include <strings.h>

/* What a byte is, beside the 64 values; all have a bit that no value has. */
enum { SPACE = 64, PADDING, INVALID, NO_VALUE_BIT = 64 };

/* "data:" and what describes the content end at a comma; nobody writes more than this. */
enum { MAX_DATA_PREFIX_BYTES = 256 };

/* By the byte. The alphabets differ in two letters, "+/" and "-_"; both are taken. */
#define X INVALID
#define P PADDING
#define S SPACE
/* clang-format off */
static const uint8_t values[256] = {
    X, X, X, X, X, X, X, X, X, S, S, X, X, S, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    S, X, X, X, X, X, X, X, X, X, X, 62, X, 62, X, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, P, X, X,
    X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, 63,
    X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
/* clang-format on */
#undef X
#undef P
#undef S

static unsigned value_of(uint8_t byte)
{
    return values[byte];
}

/* The character that \u00XX means; 0 for any other. */
static uint8_t read_unicode_escape(struct span text, size_t at)
{
    unsigned value = 0;
    if (!span_has(text, at, "u00", 3) || text.size - at < 5)
        return 0;
    for (size_t i = at + 3; i < at + 5; i++) {
        uint8_t digit = text.data[i] | 0x20;
        bool is_letter = digit >= 'a' && digit <= 'f';
        if (!is_letter && (text.data[i] < '0' || text.data[i] > '9'))
            return 0;
        value = value << 4 | (unsigned)(is_letter ? digit - 'a' + 10 : text.data[i] - '0');
    }
    return (uint8_t)value;
}

/* The character at base64->at, which steps behind it. */
static unsigned take_value(struct base64 *base64)
{
    struct span text = base64->text;
    uint8_t byte = text.data[base64->at++];
    if (byte != '\\' || !base64->has_escapes || base64->at == text.size)
        return value_of(byte);
    uint8_t escape = text.data[base64->at];
    if (escape == 'u') {
        unsigned value = value_of(read_unicode_escape(text, base64->at));
        base64->at += value == INVALID ? 0 : 5;
        return value;
    }
    base64->at++;
    if (escape == 'n' || escape == 'r' || escape == 't')
        return SPACE;
    return escape == '/' ? value_of('/') : INVALID;
}

enum status base64_init(struct base64 *base64, struct span text, bool has_escapes,
                        struct error *error)
{
    struct base64 reader = {.text = text, .has_escapes = has_escapes};
    if (text.size >= 5 && strncasecmp((const char *)text.data, "data:", 5) == 0) {
        size_t most = text.size < MAX_DATA_PREFIX_BYTES ? text.size : MAX_DATA_PREFIX_BYTES;
        const uint8_t *comma = memchr(text.data, ',', most);
        size_t prefix = comma ? (size_t)(comma - text.data) : 0;
        if (prefix < 7 + 5 || strncasecmp((const char *)comma - 7, ";base64", 7) != 0)
            return error_set(error, STATUS_BAD_REQUEST,
                             "a data: URL that is not \"data:image/...;base64,...\"");
        reader.at = prefix + 1;
    }
    *base64 = reader;
    return STATUS_OK;
}

size_t base64_max_bytes(const struct base64 *base64)
{
    return (base64->text.size - base64->at) / 4 * 3 + 3;
}

static enum status fail(const struct base64 *base64, size_t at, struct error *error)
{
    uint8_t byte = base64->text.data[at];
    if (byte > ' ' && byte < 0x7F)
        return error_set(error, STATUS_BAD_REQUEST, "not base64: \"%c\" at character %zu", byte,
                         at + 1);
    return error_set(error, STATUS_BAD_REQUEST, "not base64: byte 0x%02x at character %zu",
                     (unsigned)byte, at + 1);
}

/* At the end: whether what was read is whole. */
static enum status check_end(const struct base64 *base64, struct error *error)
{
    if (base64->digit_count % 4 == 1)
        return error_set(error, STATUS_BAD_REQUEST,
                         "not base64: it ends in the middle of a byte, after %zu characters",
                         base64->text.size);
    return STATUS_OK;
}

/* The plain case, four letters for three bytes; stops where anything else comes. Returns how many
 * bytes it wrote. */
static size_t read_quads(struct base64 *base64, uint8_t *ret_bytes, size_t capacity)
{
    const uint8_t *data = base64->text.data;
    size_t at = base64->at, size = 0;
    for (; capacity - size >= 3 && base64->text.size - at >= 4; at += 4, size += 3) {
        unsigned a = values[data[at]], b = values[data[at + 1]];
        unsigned c = values[data[at + 2]], d = values[data[at + 3]];
        if ((a | b | c | d) & NO_VALUE_BIT)
            break;
        ret_bytes[size] = (uint8_t)(a << 2 | b >> 4);
        ret_bytes[size + 1] = (uint8_t)(b << 4 | c >> 2);
        ret_bytes[size + 2] = (uint8_t)(c << 6 | d);
    }
    base64->at = at;
    return size;
}

enum status base64_read(struct base64 *base64, uint8_t *ret_bytes, size_t capacity,
                        size_t *ret_size, struct error *error)
{
    size_t size = 0;
    while (size < capacity && base64->at < base64->text.size) {
        if (base64->bit_count == 0 && !base64->is_padded) {
            size_t read = read_quads(base64, ret_bytes + size, capacity - size);
            size += read;
            if (read > 0)
                continue;
        }
        size_t at = base64->at;
        unsigned value = take_value(base64);
        if (value == SPACE)
            continue;
        if (value == PADDING && base64->digit_count % 4 >= 2) {
            base64->is_padded = true;
            continue;
        }
        if (value >= SPACE || base64->is_padded)
            return fail(base64, at, error);
        base64->digit_count++;
        base64->bits = base64->bits << 6 | value;
        base64->bit_count += 6;
        if (base64->bit_count < 8)
            continue;
        base64->bit_count -= 8;
        ret_bytes[size++] = (uint8_t)(base64->bits >> base64->bit_count);
    }
    *ret_size = size;
    return base64->at < base64->text.size ? STATUS_OK : check_end(base64, error);
}
