#include "server/api/media.h"

#include <stdio.h>

enum { SHOWN_TEXT_BYTES = 24, SHOWN_BYTES = 8 };

/* Formats that people try, by their first bytes. */
static const struct {
    size_t offset, size;
    const char *magic, *name;
} table[] = {
    {0, 4, "II*\0", "a TIFF image"},
    {0, 4, "MM\0*", "a TIFF image"},
    {4, 8, "ftypavif", "an AVIF image"},
    {4, 8, "ftypheic", "a HEIC image"},
    {4, 8, "ftypheix", "a HEIC image"},
    {4, 8, "ftypmif1", "a HEIF image"},
    {4, 4, "ftyp", "a video"},
    {0, 2, "\xFF\x0A", "a JPEG XL image"},
    {0, 12, "\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL image"},
    {0, 12, "\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000 image"},
    {0, 4, "8BPS", "a Photoshop document"},
    {0, 4, "\0\0\1\0", "an icon"},
    {0, 5, "%PDF-", "a PDF document"},
    {0, 4, "PK\3\4", "a ZIP archive"},
    {0, 2, "\x1F\x8B", "gzip data"},
    {0, 4, "<svg", "an SVG image"},
    {0, 5, "<?xml", "an XML document"},
    {0, 9, "<!DOCTYPE", "an HTML document"},
    {0, 5, "<html", "an HTML document"},
};

static bool is_text(struct span bytes)
{
    for (size_t i = 0; i < bytes.size && i < SHOWN_TEXT_BYTES; i++) {
        bool is_line_end = bytes.data[i] == '\n' || bytes.data[i] == '\r' || bytes.data[i] == '\t';
        if (bytes.data[i] >= 0x7F || (bytes.data[i] < ' ' && !is_line_end))
            return false;
    }
    return true;
}

static void describe_text(struct span bytes, char *ret_text, size_t size)
{
    char shown[SHOWN_TEXT_BYTES + 1];
    size_t length = 0;
    while (length < bytes.size && length < SHOWN_TEXT_BYTES && bytes.data[length] >= ' ') {
        shown[length] = (char)bytes.data[length];
        length++;
    }
    shown[length] = '\0';
    if (length < bytes.size)
        (void)snprintf(ret_text, size, "text that begins \"%s\"", shown);
    else
        (void)snprintf(ret_text, size, "the text \"%s\"", shown);
}

void media_describe(struct span bytes, char *ret_text, size_t size)
{
    if (bytes.size == 0) {
        (void)snprintf(ret_text, size, "no bytes");
        return;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (span_has(bytes, table[i].offset, table[i].magic, table[i].size)) {
            (void)snprintf(ret_text, size, "%s", table[i].name);
            return;
        }
    }
    if (is_text(bytes)) {
        describe_text(bytes, ret_text, size);
        return;
    }
    char shown[SHOWN_BYTES * 3 + 1] = "";
    for (size_t i = 0; i < bytes.size && i < SHOWN_BYTES; i++)
        (void)snprintf(shown + i * 3, sizeof shown - i * 3, " %02x", (unsigned)bytes.data[i]);
    (void)snprintf(ret_text, size, "bytes that begin%s", shown);
}
