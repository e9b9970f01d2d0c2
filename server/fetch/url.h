/* One http or https URL, taken apart by the same parser that will fetch it. Pure: no network. */
#ifndef CLASSIFYD_SERVER_FETCH_URL_H
#define CLASSIFYD_SERVER_FETCH_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"
#include "server/fetch/address.h"

enum { URL_MAX_BYTES = 8192, URL_HOST_BYTES = 256 };

struct url {
    char *text; /* what to ask for: normalised, without a fragment. NULL: nothing was parsed */
    char host[URL_HOST_BYTES]; /* in lower case; without a dot at the end, without brackets */
    uint16_t port;             /* the scheme's where the text has none */
    bool is_address;           /* the host is `address` in some spelling, not a name */
    struct address address;
};

/* Fails with STATUS_BAD_REQUEST: not http(s), credentials in it, over URL_MAX_BYTES, control
 * characters, a host that is neither a name in ASCII nor an address; the error's text names the
 * host at most. STATUS_NO_MEMORY. To be given to url_fini. Any thread, as the others. */
MUST_CHECK enum status url_parse(const char *text, struct url *ret_url, struct error *error);

/* Accepts a zeroed struct, and leaves one. */
void url_fini(struct url *url);

/* What `reference` (a URL, or part of one) means on the page `base`; not judged yet. NULL where
 * that is no URL at all, or there is no memory. Returns owned, free(). */
char *url_resolve(const char *base, const char *reference);

/* A URL of any scheme without credentials, query and fragment, cut to `size`; what cannot be taken
 * apart becomes "(not a URL)". */
void url_redact(const char *text, char *ret_text, size_t size);

#endif
