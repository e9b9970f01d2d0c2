/* The unfinished file of a download, FILE.part: locked against a second download, kept when the
 * first breaks off, moved into place when it is whole. */
#ifndef CLASSIFYD_SERVER_FETCH_PART_FILE_H
#define CLASSIFYD_SERVER_FETCH_PART_FILE_H

#include "model/base/status.h"
#include "server/fetch/checksum.h"

struct part_file {
    int fd; /* -1 where nothing is open */
    char *path, *part_path;
    uint64_t bytes;            /* in the file, and in the checksum */
    uint64_t resumed_bytes;    /* of these, what was there when it was opened */
    struct checksum *checksum; /* of these bytes */
};

/* Makes the folder of `path` where it is missing, opens or creates `path`.part and reads what is in
 * it. Where another process has it open, calls `waiting(user)` (unless NULL) once and blocks until
 * it is done. Fails with STATUS_IO (no permission, no space), naming the path. */
MUST_CHECK enum status part_file_init(const char *path, void (*waiting)(void *user), void *user,
                                      struct part_file *ret_part, struct error *error);

/* Empties the file. Fails with STATUS_IO. */
MUST_CHECK enum status part_file_restart(struct part_file *part, struct error *error);

/* Appends. Fails with STATUS_IO. */
MUST_CHECK enum status part_file_append(struct part_file *part, struct span bytes,
                                        struct error *error);

/* Moves the file to `path`, over what is there, and onto the disk. Fails with STATUS_IO. */
MUST_CHECK enum status part_file_commit(struct part_file *part, struct error *error);

/* Deletes the file. */
void part_file_discard(struct part_file *part);

/* Closes it, and with that the lock ends; an empty one is deleted. Accepts a struct that was never
 * opened (fd -1). */
void part_file_fini(struct part_file *part);

#endif
