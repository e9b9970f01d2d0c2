/* Which URLs the service may fetch, read from the configuration's texts. */
#ifndef CLASSIFYD_SERVER_COMMANDS_SERVING_POLICY_H
#define CLASSIFYD_SERVER_COMMANDS_SERVING_POLICY_H

#include "server/config/config.h"
#include "server/fetch/url_policy.h"

/* Of fetch.allow_hosts, .allow_networks and .allow_ports. Fails with STATUS_BAD_REQUEST where one
 * of them means nothing, STATUS_NO_MEMORY. Returns owned, url_policy_destroy(). */
MUST_CHECK enum status serving_policy_create(const struct config *config,
                                             struct url_policy **ret_policy, struct error *error);

#endif
