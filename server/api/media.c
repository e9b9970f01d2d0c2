#include "server/api/media.h"

#include <stdio.h>

#include "model/image/foreign.h"

enum { SHOWN_TEXT_BYTES = 24, SHOWN_BYTES = 8 };

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
        (void)snprintf(ret_text, size, "empty");
        return;
    }
    const char *name = foreign_name(bytes);
    if (name) {
        (void)snprintf(ret_text, size, "%s", name);
        return;
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
