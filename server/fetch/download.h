/* Brings one large file over HTTPS into place: resumed where it broke off, checked, atomically.
 *
 * HTTPS alone, also after a redirect. Proxies are taken from the environment as curl does; .netrc
 * and cookies are not read. What has arrived stays in FILE.part when the network breaks off, and
 * the next call goes on from there; FILE itself is only ever whole and checked. */
#ifndef CLASSIFYD_SERVER_FETCH_DOWNLOAD_H
#define CLASSIFYD_SERVER_FETCH_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "model/base/status.h"
#include "server/fetch/checksum.h"

struct download_options {
    const char *url;
    const char *path;          /* FILE; missing folders are made */
    const char *sha256_prefix; /* lower-case hex, up to 64 digits */
    const char *ca_file;       /* PEM; the only authorities trusted. NULL: the system's */
    uint64_t max_bytes;        /* a larger file is refused */
    uint64_t connect_timeout_us, stall_timeout_us; /* a stall: next to nothing arrives */

    /* What a person may be told; each may be NULL. Called on the caller's thread. */
    void (*waiting)(void *user); /* another process fetches the same file; we wait for it */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes); /* total 0: unknown */
    void *user;
};

struct download_result {
    char sha256[CHECKSUM_HEX_BYTES]; /* of the whole file, computed */
    uint64_t bytes;
    uint64_t resumed_bytes; /* were there already */
    bool was_there;         /* the right file was in place; nothing was fetched */
};

/* Ends with the file that the prefix names at `path`: the one that is there, or a new one. Fails
 * with STATUS_FETCH_FAILED (the network, the server's answer, a wrong hash: FILE.part is deleted
 * then), STATUS_TIMEOUT, STATUS_TOO_LARGE, STATUS_IO (folder not writable, disk full). Blocks; any
 * thread. */
MUST_CHECK enum status download_run(const struct download_options *options,
                                    struct download_result *ret_result, struct error *error);

#endif
