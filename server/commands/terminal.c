#include "server/commands/terminal.h"

#include <langinfo.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "model/base/utf8.h"

/* The C library answers "ANSI_X3.4-1968" where LANG names a locale that is not installed, as in
 * small containers; the terminal is a UTF-8 one all the same. */
static bool locale_is_utf8(void)
{
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return true;
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

struct terminal terminal_probe(FILE *stream)
{
    int descriptor = fileno(stream);
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    struct terminal terminal = {.columns = 80, .has_utf8 = locale_is_utf8()};
    terminal.is_terminal = descriptor >= 0 && isatty(descriptor);
    terminal.has_redraw = terminal.is_terminal && kind && strcmp(kind, "dumb") != 0;
    terminal.has_colour = terminal.has_redraw && !(no_colour && *no_colour);
    struct winsize size;
    if (terminal.is_terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        terminal.columns = size.ws_col;
    return terminal;
}

const char *terminal_colour(const struct terminal *terminal, enum terminal_colour colour)
{
    static const char *const sequences[] = {
        [TERMINAL_PLAIN] = "\033[0m",  [TERMINAL_BOLD] = "\033[1m", [TERMINAL_DIM] = "\033[2m",
        [TERMINAL_GREEN] = "\033[32m", [TERMINAL_RED] = "\033[31m",
    };
    return terminal->has_colour ? sequences[colour] : "";
}

/* U+2588 is a full column, U+2589..U+258F seven to one eighths from the left. */
static char *put_eighths(char *end, unsigned eighths)
{
    *end++ = '\xE2';
    *end++ = '\x96';
    *end++ = (char)(0x88 + 8 - eighths);
    return end;
}

void terminal_bar(const struct terminal *terminal, double fraction, unsigned columns,
                  char *ret_text)
{
    double filled = fraction > 0 ? (fraction < 1 ? fraction : 1) * columns : 0;
    unsigned eighths = (unsigned)(filled * 8 + 0.5);
    char *end = ret_text;
    for (unsigned i = 0; i < columns; i++) {
        unsigned here = eighths >= 8 * (i + 1) ? 8 : eighths > 8 * i ? eighths - 8 * i : 0;
        if (terminal->has_utf8 && here > 0)
            end = put_eighths(end, here);
        else
            *end++ = !terminal->has_utf8 && here >= 4 ? '#' : ' ';
    }
    *end = '\0';
}

void terminal_clean(const char *text, char *ret_text, size_t size)
{
    size_t used = 0;
    while (*text) {
        uint32_t character = 0;
        size_t length = utf8_read(text, &character);
        bool is_shown = length > 0 && utf8_is_printable(character);
        size_t needed = is_shown ? length : 1;
        if (used + needed >= size)
            break;
        if (!is_shown)
            ret_text[used] = '?';
        else
            memcpy(ret_text + used, text, length);
        used += needed;
        text += length ? length : 1;
    }
    ret_text[used] = '\0';
}

size_t terminal_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}
