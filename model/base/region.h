/* A page-aligned block of zeroed memory that we try to keep in RAM: weights, activations, batch
 * slots.
 *
 * Locking is a wish, not a demand: a container often allows 64 KiB. What could not be locked is
 * counted, and the caller reports it. */
#ifndef CLASSIFYD_MODEL_BASE_REGION_H
#define CLASSIFYD_MODEL_BASE_REGION_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/status.h"

struct region {
    void *data; /* page-aligned; NULL in a zeroed struct */
    size_t size_bytes;
    size_t locked_bytes; /* size_bytes or 0 */
};

/* Maps `size_bytes` (> 0), zeroed and with every page there, and, with `lock`, asks the kernel to
 * keep them resident. Fails with STATUS_NO_MEMORY only; a refused lock is not a failure. Any
 * thread. */
MUST_CHECK enum status region_init(size_t size_bytes, bool lock, struct region *ret_region,
                                   struct error *error);

/* Maps the first `size_bytes` (> 0) of an open file, to be read only, and reads them in; with
 * `lock` as above. The file must be as long and stay so: what is cut off it raises SIGBUS. Fails
 * with STATUS_IO. `fd` may be closed after. Any thread; blocks on the disk. */
MUST_CHECK enum status region_map(int fd, size_t size_bytes, bool lock, struct region *ret_region,
                                  struct error *error);

/* Unmaps; accepts a zeroed struct. */
void region_fini(struct region *region);

#endif
