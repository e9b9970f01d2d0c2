/* Which URLs and addresses may be fetched. Pure: no network, no clock.
 *
 * The decision is made twice: of the URL as text (scheme, credentials, host, port), and of the
 * address that a socket is about to connect to, on every connection and redirect. The second is
 * what protects; the first gives good errors early. */
#ifndef CLASSIFYD_SERVER_FETCH_URL_POLICY_H
#define CLASSIFYD_SERVER_FETCH_URL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"

struct sockaddr;
struct url;
struct url_policy;

struct url_policy_options {
    /* [allow_host_count]: "images.dog.ceo" alone, or "*.dog.ceo" for all below dog.ceo but not
     * itself. In any case, as URLs are; a name in its xn-- form, as in URLs. */
    const char *const *allow_hosts;
    size_t allow_host_count;           /* 0: every host */
    const char *const *allow_networks; /* [allow_network_count]: "10.0.0.0/8", "fd00::/8" */
    size_t allow_network_count;        /* beside the public addresses */
    const uint16_t *allow_ports;       /* [allow_port_count] */
    size_t allow_port_count;           /* 0: 80 and 443 */
};

/* Copies. Fails with STATUS_BAD_REQUEST (a network or host that cannot be read, named),
 * STATUS_NO_MEMORY. Returns owned; immutable, any thread. */
MUST_CHECK enum status url_policy_create(const struct url_policy_options *options,
                                         struct url_policy **ret_policy, struct error *error);
void url_policy_destroy(struct url_policy *policy);

/* What is wrong with a URL before any name is looked up. STATUS_BAD_REQUEST: not an http(s) URL,
 * credentials in it, too long, control characters; STATUS_NOT_FOUND never; STATUS_UNSUPPORTED: host
 * or port is not allowed. A host that is an address in any spelling is judged as that address. */
MUST_CHECK enum status url_policy_check_url(const struct url_policy *policy, const char *url,
                                            struct error *error);

/* The same of a URL that url_parse took apart: STATUS_UNSUPPORTED is all that is left to say. */
MUST_CHECK enum status url_policy_check(const struct url_policy *policy, const struct url *url,
                                        struct error *error);

/* Whether a socket may connect to that address: public by IANA's special-purpose registries (what
 * is embedded in 64:ff9b::/96, 64:ff9b:1::/48, 2002::/16, 2001::/32 and mapped addresses is judged,
 * too), or within allow_networks, which has to name what is embedded as well. */
bool url_policy_allows_address(const struct url_policy *policy, const struct sockaddr *address);

/* The same of an address as text; false of anything else. */
bool url_policy_allows_ip(const struct url_policy *policy, const char *text);

/* Whether only some hosts are allowed. */
bool url_policy_has_allow_hosts(const struct url_policy *policy);

/* `url` without credentials, query and fragment, for logs; cut to `size`. */
void url_policy_redact(const char *url, char *ret_text, size_t size);

#endif
