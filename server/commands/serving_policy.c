#include "server/commands/serving_policy.h"

#include <stdlib.h>

enum { MAX_PORTS = 256 };

static enum status read_ports(const struct config_list *list, uint16_t ports[MAX_PORTS],
                              size_t *ret_count, struct error *error)
{
    if (list->count > MAX_PORTS)
        return error_set(error, STATUS_BAD_REQUEST, "fetch.allow_ports: more than %d ports",
                         MAX_PORTS);
    for (size_t i = 0; i < list->count; i++) {
        char *end;
        unsigned long port = strtoul(list->values[i], &end, 10);
        if (*end || end == list->values[i] || port == 0 || port > UINT16_MAX)
            return error_set(error, STATUS_BAD_REQUEST, "fetch.allow_ports: \"%s\" is no port",
                             list->values[i]);
        ports[i] = (uint16_t)port;
    }
    *ret_count = list->count;
    return STATUS_OK;
}

enum status serving_policy_create(const struct config *config, struct url_policy **ret_policy,
                                  struct error *error)
{
    uint16_t ports[MAX_PORTS];
    struct url_policy_options policy = {
        .allow_hosts = config->fetch.allow_hosts.values,
        .allow_host_count = config->fetch.allow_hosts.count,
        .allow_networks = config->fetch.allow_networks.values,
        .allow_network_count = config->fetch.allow_networks.count,
        .allow_ports = ports,
    };
    enum status status =
        read_ports(&config->fetch.allow_ports, ports, &policy.allow_port_count, error);
    return status ? status : url_policy_create(&policy, ret_policy, error);
}
