/* A line on the terminal that shows how far long work has come: bar, rate, time left.
 *
 * Shown on standard error, and only where that is a terminal; elsewhere every call does nothing.
 * One thread at a time. */
#ifndef CLASSIFYD_SERVER_COMMANDS_PROGRESS_H
#define CLASSIFYD_SERVER_COMMANDS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/commands/terminal.h"

enum progress_unit { PROGRESS_IMAGES, PROGRESS_BYTES };

struct progress {
    struct terminal terminal;
    const char *label; /* borrowed */
    enum progress_unit unit;
    uint64_t first, total; /* `first` was there before we began: a download that is resumed */
    uint64_t start_us, drawn_us;
    bool is_drawn;
};

/* `total` 0: not known. `first` does not count for the rate. `label` is borrowed until the end. */
void progress_init(struct progress *progress, const char *label, enum progress_unit unit,
                   uint64_t first, uint64_t total);

/* Draws, at most ten times a second. `total` may be told late, or again. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/* Wipes the line, so that what comes next begins on an empty one. */
void progress_fini(struct progress *progress);

/* "97.8 MiB", "812 B". Any thread. */
void progress_format_bytes(uint64_t bytes, char *ret_text, size_t size);

#endif
