#include "model/base/utf8.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

size_t utf8_read(const char *text, uint32_t *ret_character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = bytes[0] < 0x80   ? 1
                    : bytes[0] < 0xC0 ? 0
                    : bytes[0] < 0xE0 ? 2
                    : bytes[0] < 0xF0 ? 3
                    : bytes[0] < 0xF8 ? 4
                                      : 0;
    uint32_t character = length == 1 ? bytes[0] : bytes[0] & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        character = character << 6 | (bytes[i] & 0x3FU);
    }
    if (length == 0 || character < least[length] || character > 0x10FFFF ||
        (character >= 0xD800 && character <= 0xDFFF))
        return 0;
    *ret_character = character;
    return length;
}

bool utf8_is_printable(uint32_t character)
{
    return character >= 0x20 && !(character >= 0x7F && character < 0xA0);
}

bool utf8_is_printable_text(const char *text)
{
    while (*text) {
        uint32_t character;
        size_t length = utf8_read(text, &character);
        if (length == 0 || !utf8_is_printable(character))
            return false;
        text += length;
    }
    return true;
}

char *utf8_repair(const char *text)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    char *copy = alloc_array(strlen(text) + 1, sizeof replacement, SIZE_MAX);
    if (!copy)
        return NULL;
    for (char *end = copy; *text;) {
        uint32_t character;
        size_t length = utf8_read(text, &character);
        memcpy(end, length ? text : replacement, length ? length : sizeof replacement - 1);
        end += length ? length : sizeof replacement - 1;
        text += length ? length : 1;
    }
    return copy;
}
