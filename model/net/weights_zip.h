/* The directory of a zip archive whose entries are stored as they are, as torch.save writes it.
 *
 * Believes the central directory and checks each local header against it, so that no other reader
 * sees another file in the same bytes. Checksums are not computed: `pull` hashes whole files. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_ZIP_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_ZIP_H

#include "model/base/span.h"
#include "model/base/status.h"

struct weights_zip;

/* Borrows `bytes` for as long as the directory lives. Fails with STATUS_BAD_MODEL (the place by
 * byte or entry), STATUS_UNSUPPORTED (a compressed or encrypted entry, by name; more than one
 * disk), STATUS_TOO_LARGE, STATUS_NO_MEMORY. Returns owned. Any thread may read it. */
MUST_CHECK enum status weights_zip_parse(struct span bytes, struct weights_zip **ret_zip,
                                         struct error *error);

/* Accepts NULL. */
void weights_zip_destroy(struct weights_zip *zip);

/* The bytes of the entry F/`path``rest`, where F is the folder of the archive's first entry: torch
 * puts everything into one. False where there is none. */
bool weights_zip_find(const struct weights_zip *zip, const char *path, struct span rest,
                      struct span *ret_bytes);

#endif
