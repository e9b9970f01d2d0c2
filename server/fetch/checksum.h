/* SHA-256 of what was downloaded: the wall around OpenSSL. One checksum belongs to one thread. */
#ifndef CLASSIFYD_SERVER_FETCH_CHECKSUM_H
#define CLASSIFYD_SERVER_FETCH_CHECKSUM_H

#include "model/base/span.h"
#include "model/base/status.h"

enum { CHECKSUM_HEX_BYTES = 65 }; /* 64 lower-case digits and the end */

struct checksum;

/* Of no bytes yet. Fails with STATUS_NO_MEMORY, STATUS_INTERNAL where this OpenSSL has no SHA-256.
 * Returns owned. */
MUST_CHECK enum status checksum_create(struct checksum **ret_checksum, struct error *error);

/* Accepts NULL. */
void checksum_destroy(struct checksum *checksum);

/* Back to no bytes. Fails with STATUS_INTERNAL, as the next two. */
MUST_CHECK enum status checksum_reset(struct checksum *checksum, struct error *error);

MUST_CHECK enum status checksum_update(struct checksum *checksum, struct span bytes,
                                       struct error *error);

/* Of the bytes so far; more may follow. */
MUST_CHECK enum status checksum_format(const struct checksum *checksum,
                                       char ret_hex[CHECKSUM_HEX_BYTES], struct error *error);

/* Adds what is left of the file open at `fd`, which stands at its end afterwards; `path` is for the
 * error's text. Fails with STATUS_IO. Blocks on the disk. */
MUST_CHECK enum status checksum_update_from_file(struct checksum *checksum, int fd,
                                                 const char *path, struct error *error);

#endif
