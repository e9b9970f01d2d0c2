/* The image files of a folder, read into memory: what a bench feeds on. */
#ifndef CLASSIFYD_SERVER_COMMANDS_PHOTOGRAPHS_H
#define CLASSIFYD_SERVER_COMMANDS_PHOTOGRAPHS_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"

enum { PHOTOGRAPHS_MOST = 4096 };

/* Of all files together. */
#define PHOTOGRAPHS_MOST_BYTES ((size_t)1 << 30)

struct photograph {
    char *path;
    uint8_t *data; /* the file's bytes, not decoded */
    size_t size_bytes;
};

struct photographs {
    size_t count, size_bytes;
    struct photograph *files; /* in the order of their names */
};

/* Reads the first `limit` (at most PHOTOGRAPHS_MOST) files of `folder` that are images by their
 * name; folders in it are not entered. Fails with STATUS_NOT_FOUND, STATUS_IO, STATUS_BAD_REQUEST
 * (no images), STATUS_TOO_LARGE (over PHOTOGRAPHS_MOST_BYTES), STATUS_NO_MEMORY. To be ended with
 * photographs_fini, also after a failure. Blocks on the disk; any thread. */
MUST_CHECK enum status photographs_init(struct photographs *photographs, const char *folder,
                                        size_t limit, struct error *error);
void photographs_fini(struct photographs *photographs);

#endif
