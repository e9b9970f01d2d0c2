#include "server/fetch/url_policy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "server/fetch/address_block.h"
#include "server/fetch/url.h"

/* More than anybody configures; keeps the sizes of the arrays in bounds. */
enum { MAX_LIST_BYTES = 1 << 24 };

struct allowed_host {
    bool is_suffix; /* `text` begins with the dot: ".dog.ceo" */
    char text[URL_HOST_BYTES];
};

struct url_policy {
    struct allowed_host *hosts; /* [host_count] */
    size_t host_count;
    struct address_network *networks; /* [network_count] */
    size_t network_count;
    uint16_t *ports; /* [port_count] */
    size_t port_count;
};

static const uint16_t default_ports[] = {80, 443};

/* "Dog.CEO.", "*.dog.ceo" or an address in any spelling, as url_parse would leave it. */
static bool parse_host(const char *text, struct allowed_host *ret_host)
{
    struct allowed_host host = {.is_suffix = strncmp(text, "*.", 2) == 0};
    struct address address;
    const char *from = host.is_suffix ? text + 1 : text;
    size_t length = strlen(from);
    if (length > 0 && from[length - 1] == '.')
        length--;
    if (length <= (host.is_suffix ? 1 : 0) || length >= sizeof host.text)
        return false;
    for (size_t i = 0; i < length; i++)
        host.text[i] = (char)tolower((unsigned char)from[i]);
    if (!host.is_suffix && address_parse(host.text, &address))
        address_format(&address, host.text);
    else if (host.text[strspn(host.text, "abcdefghijklmnopqrstuvwxyz0123456789.-_")] != 0 ||
             strstr(host.text, ".."))
        return false;
    *ret_host = host;
    return true;
}

static enum status take_hosts(struct url_policy *policy, const struct url_policy_options *options,
                              struct error *error)
{
    policy->hosts = alloc_array(options->allow_host_count, sizeof *policy->hosts, MAX_LIST_BYTES);
    if (!policy->hosts)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the allowed hosts");
    policy->host_count = options->allow_host_count;
    for (size_t i = 0; i < policy->host_count; i++)
        if (!parse_host(options->allow_hosts[i], &policy->hosts[i]))
            return error_set(error, STATUS_BAD_REQUEST,
                             "'%s' is not a host: write images.example.org, *.example.org or an "
                             "address",
                             options->allow_hosts[i]);
    return STATUS_OK;
}

static enum status take_networks(struct url_policy *policy,
                                 const struct url_policy_options *options, struct error *error)
{
    policy->networks =
        alloc_array(options->allow_network_count, sizeof *policy->networks, MAX_LIST_BYTES);
    if (!policy->networks)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the allowed networks");
    policy->network_count = options->allow_network_count;
    for (size_t i = 0; i < policy->network_count; i++)
        if (!address_parse_network(options->allow_networks[i], &policy->networks[i]))
            return error_set(
                error, STATUS_BAD_REQUEST,
                "'%s' is not a network: write 10.0.0.0/8 or fd00::/8, with nothing but "
                "zeros behind the prefix",
                options->allow_networks[i]);
    return STATUS_OK;
}

static enum status take_ports(struct url_policy *policy, const struct url_policy_options *options,
                              struct error *error)
{
    bool is_given = options->allow_port_count > 0;
    const uint16_t *ports = is_given ? options->allow_ports : default_ports;
    size_t count =
        is_given ? options->allow_port_count : sizeof default_ports / sizeof *default_ports;
    policy->ports = alloc_array(count, sizeof *ports, MAX_LIST_BYTES);
    if (!policy->ports)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the allowed ports");
    memcpy(policy->ports, ports, count * sizeof *ports);
    policy->port_count = count;
    return STATUS_OK;
}

enum status url_policy_create(const struct url_policy_options *options,
                              struct url_policy **ret_policy, struct error *error)
{
    struct url_policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the policy of URLs");
    enum status status = take_hosts(policy, options, error);
    if (status == STATUS_OK)
        status = take_networks(policy, options, error);
    if (status == STATUS_OK)
        status = take_ports(policy, options, error);
    if (status == STATUS_OK)
        *ret_policy = policy;
    else
        url_policy_destroy(policy);
    return status;
}

void url_policy_destroy(struct url_policy *policy)
{
    if (!policy)
        return;
    free(policy->hosts);
    free(policy->networks);
    free(policy->ports);
    free(policy);
}

bool url_policy_has_allow_hosts(const struct url_policy *policy)
{
    return policy->host_count > 0;
}

static bool is_listed(const struct url_policy *policy, const struct address *address)
{
    for (size_t i = 0; i < policy->network_count; i++)
        if (address_is_in(address, &policy->networks[i]))
            return true;
    return false;
}

/* The block that speaks against the address; NULL where none does. An address that carries another
 * needs both allowed: where packets for it end up is decided elsewhere. */
static const struct address_block *find_objection(const struct url_policy *policy,
                                                  const struct address *address)
{
    const struct address_block *block = address_block_find(address);
    if (!block->is_public && !is_listed(policy, address))
        return block;
    struct address inner[ADDRESS_BLOCK_MOST_EMBEDDED];
    size_t count = address_block_embedded(block, address, inner);
    for (size_t i = 0; i < count; i++) {
        const struct address_block *inner_block = address_block_find(&inner[i]);
        if (!inner_block->is_public && !is_listed(policy, &inner[i]))
            return inner_block;
    }
    return NULL;
}

bool url_policy_allows_address(const struct url_policy *policy, const struct sockaddr *sockaddr)
{
    struct address address;
    return address_from_sockaddr(sockaddr, &address) && !find_objection(policy, &address);
}

bool url_policy_allows_ip(const struct url_policy *policy, const char *text)
{
    struct address address;
    return address_parse(text, &address) && !find_objection(policy, &address);
}

static bool matches(const struct allowed_host *allowed, const struct url *url)
{
    if (!allowed->is_suffix)
        return strcmp(allowed->text, url->host) == 0;
    size_t length = strlen(url->host), suffix = strlen(allowed->text);
    return !url->is_address && length > suffix &&
           strcmp(url->host + length - suffix, allowed->text) == 0;
}

static bool allows_host(const struct url_policy *policy, const struct url *url)
{
    for (size_t i = 0; i < policy->host_count; i++)
        if (matches(&policy->hosts[i], url))
            return true;
    return policy->host_count == 0;
}

static bool allows_port(const struct url_policy *policy, uint16_t port)
{
    for (size_t i = 0; i < policy->port_count; i++)
        if (policy->ports[i] == port)
            return true;
    return false;
}

enum status url_policy_check(const struct url_policy *policy, const struct url *url,
                             struct error *error)
{
    if (!allows_port(policy, url->port))
        return error_set(error, STATUS_UNSUPPORTED,
                         "port %u of %s is not allowed (fetch.allow_ports)", url->port, url->host);
    if (!allows_host(policy, url))
        return error_set(error, STATUS_UNSUPPORTED, "%s is none of the hosts that are allowed",
                         url->host);
    const struct address_block *objection =
        url->is_address ? find_objection(policy, &url->address) : NULL;
    if (objection)
        return error_set(error, STATUS_UNSUPPORTED, "%s is not a public address: %s (%s)",
                         url->host, objection->name, objection->source);
    return STATUS_OK;
}

enum status url_policy_check_url(const struct url_policy *policy, const char *text,
                                 struct error *error)
{
    struct url url;
    enum status status = url_parse(text, &url, error);
    if (status != STATUS_OK)
        return status;
    status = url_policy_check(policy, &url, error);
    url_fini(&url);
    return status;
}

void url_policy_redact(const char *url, char *ret_text, size_t size)
{
    url_redact(url, ret_text, size);
}
