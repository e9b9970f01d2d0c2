/* One request of a fetch: asks one server for one URL and judges what comes, redirects not
 * followed. A transfer is used again and again, one request after the other. Belongs to one thread.
 */
#ifndef CLASSIFYD_SERVER_FETCH_TRANSFER_H
#define CLASSIFYD_SERVER_FETCH_TRANSFER_H

#include "server/blob.h"
#include "server/fetch/url.h"
#include "server/fetch/url_policy.h"
#include "server/problem.h"

struct transfer;

struct transfer_options {
    const struct url_policy *policy; /* borrowed, as `budget`; outlive the transfer */
    struct budget *budget;
    size_t max_bytes;
    uint64_t connect_timeout_us;
    const char *ca_file, *proxy; /* NULL or "": the system's, none */
};

/* One of the three. */
struct transfer_result {
    struct problem problem; /* its detail without the host */
    struct blob *blob;      /* the callee's to release */
    char *redirect;         /* where the server sends us; the callee's to free() */
};

/* `user` comes back from transfer_user. Fails with STATUS_NO_MEMORY, STATUS_INTERNAL (this libcurl
 * cannot be made safe). Returns owned. */
MUST_CHECK enum status transfer_create(const struct transfer_options *options, void *user,
                                       struct transfer **ret_transfer, struct error *error);

/* It has left the multi handle before. Accepts NULL. */
void transfer_destroy(struct transfer *transfer);

/* Its libcurl handle, for curl_multi_add_handle; what belongs to such a handle. */
void *transfer_handle(struct transfer *transfer);
void *transfer_user(void *handle);

/* Makes it ready to ask for a URL that the policy has allowed, within `timeout_us`. `is_wanted` is
 * asked with `user` whenever something arrives. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status transfer_begin(struct transfer *transfer, const struct url *url,
                                      uint64_t timeout_us, bool (*is_wanted)(void *user),
                                      void *user, struct error *error);

/* What came of it: `code` is libcurl's, of a transfer that left the multi handle. To be called once
 * a transfer_begin, also where it was broken off. */
void transfer_finish(struct transfer *transfer, int code, struct transfer_result *ret_result);

#endif
