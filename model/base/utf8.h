/* Whether bytes are UTF-8: file names need not be. */
#ifndef CLASSIFYD_MODEL_BASE_UTF8_H
#define CLASSIFYD_MODEL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length (1..4) of the well-formed character at `text`, NUL-ended and not at its end; 0 where
 * there is none: overlong, a surrogate, above U+10FFFF, cut. Writes the code point. */
size_t utf8_read(const char *text, uint32_t *ret_character);

/* Whether a terminal may be shown the character: not a control character, C0, C1 or DEL. */
bool utf8_is_printable(uint32_t character);

/* The same of a whole text, which must be well-formed, too. */
bool utf8_is_printable_text(const char *text);

/* A copy of `text` with U+FFFD for each byte that belongs to no character. NULL without memory.
 * Returns owned, free(). */
char *utf8_repair(const char *text);

#endif
