#include "model/image/png_metadata.h"

#include <stdlib.h>

#include <zlib.h>

#include "model/image/orientation.h"

#define SIGNATURE_BYTES 8U
#define MAX_TEXT_BYTES  ((size_t)1 << 20)

/* A text chunk's value, still packed where it is. */
struct text {
    struct span value;
    bool is_packed;
};

struct metadata {
    struct span exif;
    struct text raw_profile, xmp;
};

/* Splits `from` at its first zero byte. */
static bool split(struct span from, struct span *ret_head, struct span *ret_tail)
{
    const uint8_t *zero = from.size ? memchr(from.data, 0, from.size) : NULL;
    if (!zero)
        return false;
    size_t head = (size_t)(zero - from.data);
    *ret_head = (struct span){from.data, head};
    return span_slice(from, head + 1, from.size - head - 1, ret_tail);
}

static bool is_key(struct span key, const char *text)
{
    return key.size == strlen(text) && memcmp(key.data, text, key.size) == 0;
}

/* zTXt: key, 0, method (0 is the only one), packed text. */
static bool read_ztxt(struct span tail, struct text *ret_text)
{
    struct text text = {.is_packed = true};
    if (!span_has(tail, 0, "\0", 1) || !span_slice(tail, 1, tail.size - 1, &text.value))
        return false;
    *ret_text = text;
    return true;
}

/* iTXt: key, 0, packed?, method, language, 0, key in that language, 0, text. */
static bool read_itxt(struct span tail, struct text *ret_text)
{
    uint64_t is_packed, method;
    struct span rest, head, value;
    if (!span_read_le(tail, 0, 1, &is_packed) || !span_read_le(tail, 1, 1, &method) ||
        !span_slice(tail, 2, tail.size - 2, &rest))
        return false;
    if (!split(rest, &head, &rest) || !split(rest, &head, &value) || (is_packed && method != 0))
        return false;
    *ret_text = (struct text){value, is_packed != 0};
    return true;
}

static void take_chunk(struct span type, struct span data, struct metadata *metadata)
{
    struct span key, tail;
    struct text text = {.is_packed = false};
    bool is_text = span_has(type, 0, "tEXt", 4);
    if (span_has(type, 0, "eXIf", 4))
        metadata->exif = data;
    if (!split(data, &key, &tail))
        return;
    text.value = tail;
    bool is_read = is_text || (span_has(type, 0, "zTXt", 4) && read_ztxt(tail, &text)) ||
                   (span_has(type, 0, "iTXt", 4) && read_itxt(tail, &text));
    if (!is_read)
        return;
    if (is_key(key, "Raw profile type exif"))
        metadata->raw_profile = text;
    else if (is_key(key, "XML:com.adobe.xmp"))
        metadata->xmp = text;
    else if (is_text && is_key(key, "exif"))
        metadata->exif = text.value;
}

/* The text itself, in `buffer` where it has to be unpacked; empty where that fails. */
static struct span unpacked(struct text text, uint8_t *buffer)
{
    uLongf size = MAX_TEXT_BYTES;
    if (!text.is_packed)
        return text.value;
    if (text.value.size > MAX_TEXT_BYTES ||
        uncompress(buffer, &size, text.value.data, text.value.size) != Z_OK)
        return (struct span){0};
    return (struct span){buffer, size};
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a raw profile: three lines of heading, then hexadecimal in lines. Writes over
 * `bytes`, which may be the text's own place, since two digits become one byte. */
static struct span unhexed(struct span text, uint8_t *bytes)
{
    size_t at = 0, count = 0, lines = 0;
    while (at < text.size && lines < 3)
        lines += text.data[at++] == '\n';
    int high = -1;
    for (; at < text.size && count < MAX_TEXT_BYTES; at++) {
        int digit = hex_digit(text.data[at]);
        if (digit < 0)
            continue;
        if (high >= 0)
            bytes[count++] = (uint8_t)(high << 4 | digit);
        high = high < 0 ? digit : -1;
    }
    return (struct span){bytes, count};
}

static unsigned judge(const struct metadata *metadata)
{
    unsigned orientation = ORIENTATION_UPRIGHT;
    if (metadata->exif.data && orientation_read_exif(metadata->exif, &orientation))
        return orientation;
    if (!metadata->raw_profile.value.data && !metadata->xmp.value.data)
        return orientation;
    uint8_t *buffer = malloc(MAX_TEXT_BYTES);
    if (!buffer)
        return orientation;
    bool is_found = false;
    if (!metadata->exif.data && metadata->raw_profile.value.data) {
        struct span profile = unhexed(unpacked(metadata->raw_profile, buffer), buffer);
        is_found = orientation_read_exif(profile, &orientation);
    }
    if (!is_found && metadata->xmp.value.data)
        (void)orientation_read_xmp(unpacked(metadata->xmp, buffer), &orientation);
    free(buffer);
    return orientation;
}

unsigned png_metadata_orientation(struct span file)
{
    struct metadata metadata = {0};
    uint64_t at = SIGNATURE_BYTES, length;
    struct span type, data;
    while (span_read_be(file, at, 4, &length) && span_slice(file, at + 4, 4, &type) &&
           span_slice(file, at + 8, length, &data) && !span_has(type, 0, "IEND", 4)) {
        take_chunk(type, data, &metadata);
        at += 12 + length;
    }
    return judge(&metadata);
}
