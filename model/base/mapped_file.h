/* A whole file as a span: mapped read-only where that works, read into memory otherwise (a pipe).
 */
#ifndef CLASSIFYD_MODEL_BASE_MAPPED_FILE_H
#define CLASSIFYD_MODEL_BASE_MAPPED_FILE_H

#include "model/base/span.h"
#include "model/base/status.h"

struct mapped_file {
    struct span bytes; /* valid until mapped_file_fini */
    bool is_mapped;
};

/* Opens `path`. Fails with STATUS_NOT_FOUND, STATUS_TOO_LARGE over `limit_bytes`, STATUS_IO (a
 * folder, no permission; the text names the path). May block on the disk. Any thread. A mapped file
 * that another process truncates raises SIGBUS when read: replace files by rename, as `pull` does.
 */
MUST_CHECK enum status mapped_file_init(const char *path, size_t limit_bytes,
                                        struct mapped_file *ret_file, struct error *error);

/* Unmaps; accepts a zeroed struct. */
void mapped_file_fini(struct mapped_file *file);

#endif
