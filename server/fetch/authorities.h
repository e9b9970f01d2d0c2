/* A file of certificate authorities, looked at before it is relied on. */
#ifndef CLASSIFYD_SERVER_FETCH_AUTHORITIES_H
#define CLASSIFYD_SERVER_FETCH_AUTHORITIES_H

#include "model/base/status.h"

/* Whether `path` holds at least one certificate in PEM. Fails with STATUS_IO, naming the path;
 * STATUS_NO_MEMORY. Blocks on the disk. Any thread. */
MUST_CHECK enum status authorities_check_file(const char *path, struct error *error);

#endif
