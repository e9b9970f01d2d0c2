/* What a stream can show: colours, bars, text of unknown origin. */
#ifndef CLASSIFYD_SERVER_COMMANDS_TERMINAL_H
#define CLASSIFYD_SERVER_COMMANDS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct terminal {
    bool is_terminal; /* a person is looking on */
    bool has_redraw;  /* a line can be wiped and drawn again: TERM is set and not "dumb" */
    bool has_colour;  /* the same, and NO_COLOR is unset or empty */
    bool has_utf8;    /* by the locale, also where its tables are not installed */
    unsigned columns; /* 80 where unknown */
};

/* Asks about `stream`. To be called after setlocale. Any thread. */
struct terminal terminal_probe(FILE *stream);

enum terminal_colour { TERMINAL_PLAIN, TERMINAL_BOLD, TERMINAL_DIM, TERMINAL_GREEN, TERMINAL_RED };

/* The escape sequence, or "" where there are no colours. TERMINAL_PLAIN ends the others. */
const char *terminal_colour(const struct terminal *terminal, enum terminal_colour colour);

/* A bar of `columns` columns, the first `fraction` (0..1, else cut) of them filled; to an eighth of
 * a column in UTF-8. `ret_text` holds 3 * columns + 1 bytes. */
void terminal_bar(const struct terminal *terminal, double fraction, unsigned columns,
                  char *ret_text);

/* `text` with control characters (escape sequences begin with one) and bytes that are not UTF-8
 * replaced by "?"; cut at a character to fit `size` bytes with its end. */
void terminal_clean(const char *text, char *ret_text, size_t size);

/* The columns that valid UTF-8 takes, a character counted as one. */
size_t terminal_width(const char *text);

#endif
