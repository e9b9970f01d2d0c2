/* A file that a command leaves behind: written beside its place, which it takes once it is
 * complete, so that nobody ever sees a part of it. */
#ifndef CLASSIFYD_MODEL_BASE_OUTPUT_FILE_H
#define CLASSIFYD_MODEL_BASE_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "model/base/status.h"

struct output_file {
    FILE *file; /* to be written to */
    char *path;
    char *part; /* where it is until it is complete; NULL: a pipe or device, written as it stands */
};

/* Fails with STATUS_IO (the text names the path), STATUS_NO_MEMORY. To be ended with
 * output_file_finish. Blocks on the disk, or until a pipe has a reader. */
MUST_CHECK enum status output_file_init(const char *path, struct output_file *ret_output,
                                        struct error *error);

/* Ends it in any case. Where `is_good` and all could be written the file is complete and stands at
 * its path, on the disk; otherwise there is nothing new. `is_good` is false where a write has
 * failed, with errno set. Fails with STATUS_IO. Blocks on the disk. */
MUST_CHECK enum status output_file_finish(struct output_file *output, bool is_good,
                                          struct error *error);

/* Whether a file could be written there, for those who work long before they do; leaves nothing.
 * Fails as output_file_init. */
MUST_CHECK enum status output_file_try(const char *path, struct error *error);

#endif
