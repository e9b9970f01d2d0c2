/* application/x-www-form-urlencoded: name=value&name=value. Pure. */
#ifndef CLASSIFYD_SERVER_API_FORM_H
#define CLASSIFYD_SERVER_API_FORM_H

#include "model/base/span.h"
#include "model/base/status.h"

enum { FORM_MAX_BYTES = 1 << 20 };

struct form_field {
    const char *name, *value; /* decoded; value is "" without a "=" */
};

struct form {
    size_t count;
    struct form_field *fields; /* [count] */
    char *text;                /* what they point into */
};

/* Reads `text`; "+" is a space, an empty field ("&&") is passed over. Fails with STATUS_BAD_REQUEST
 * (a "%" without two hexadecimal digits, a control character, encoded or not), STATUS_TOO_LARGE
 * (over FORM_MAX_BYTES or `max_fields`), STATUS_NO_MEMORY. `ret_form` is to be given to form_fini.
 */
MUST_CHECK enum status form_init(struct span text, size_t max_fields, struct form *ret_form,
                                 struct error *error);

/* Accepts a zeroed struct. */
void form_fini(struct form *form);

#endif
