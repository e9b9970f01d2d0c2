#include "model/image/foreign.h"

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

const char *foreign_name(struct span bytes)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (span_has(bytes, table[i].offset, table[i].magic, table[i].size))
            return table[i].name;
    return NULL;
}
