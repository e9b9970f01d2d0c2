/* Bytes that came from a client or a URL: grown while they arrive, then shared by reference.
 *
 * A request's body is one blob; the images in it are spans of that blob, and each holds a
 * reference, so that a worker may still read what a client that has gone away had sent. */
#ifndef CLASSIFYD_SERVER_BLOB_H
#define CLASSIFYD_SERVER_BLOB_H

#include "model/base/span.h"
#include "model/base/status.h"
#include "server/budget.h"

struct blob;

/* Empty, with room for `capacity_bytes` (may be 0), which are charged to `budget` (borrowed) until
 * the last reference goes. Fails with STATUS_OVERLOADED where the budget is used up,
 * STATUS_NO_MEMORY. Returns one reference. Any thread. */
MUST_CHECK enum status blob_create(struct budget *budget, size_t capacity_bytes,
                                   struct blob **ret_blob, struct error *error);

/* Appends; grows by doubling where there is no room, up to `limit_bytes` in all. Fails with
 * STATUS_TOO_LARGE over that limit, and as blob_create. While there is one reference only. */
MUST_CHECK enum status blob_append(struct blob *blob, struct span bytes, size_t limit_bytes,
                                   struct error *error);

/* The content; valid until the last reference goes, and until the next blob_append. */
struct span blob_bytes(const struct blob *blob);

/* Any thread. blob_release accepts NULL. */
struct blob *blob_retain(struct blob *blob);
void blob_release(struct blob *blob);

#endif
