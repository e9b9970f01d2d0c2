/* What is wrong with a configuration: every fault a line, as many as an error's text has room for.
 */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_FAULTS_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/status.h"

/* Zeroed before the first. */
struct config_faults {
    size_t count, told; /* found; of them in `text` */
    size_t used;
    char text[sizeof((struct error *)0)->text];
};

/* Control characters are shown as "?", so that a fault stays on its line. */
void config_faults_add(struct config_faults *faults, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "PLACE: NAME: unknown option; did you mean ...?" */
void config_faults_add_unknown(struct config_faults *faults, const char *place, const char *name);

/* Whether a further one will only be counted, so that nobody need look for its line. */
bool config_faults_is_full(const struct config_faults *faults);

/* STATUS_OK where there was none; else STATUS_BAD_REQUEST with the lines, and a last one that
 * counts those without room. */
MUST_CHECK enum status config_faults_finish(const struct config_faults *faults,
                                            struct error *error);

#endif
