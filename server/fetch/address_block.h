/* What each block of addresses is for, by IANA's special-purpose registries. Pure. */
#ifndef CLASSIFYD_SERVER_FETCH_ADDRESS_BLOCK_H
#define CLASSIFYD_SERVER_FETCH_ADDRESS_BLOCK_H

#include "server/fetch/address.h"

/* Where an IPv6 address carries IPv4 addresses that packets end up at. */
enum address_embedding {
    ADDRESS_EMBEDS_NONE,
    ADDRESS_EMBEDS_LAST,        /* in its last four bytes */
    ADDRESS_EMBEDS_LOCAL_NAT64, /* there, or further to the front under a shorter prefix */
    ADDRESS_EMBEDS_6TO4,        /* behind the first two bytes */
    ADDRESS_EMBEDS_TEREDO, /* the server behind the first four, the client, inverted, at the end */
};

struct address_block {
    struct address_network network;
    bool is_public;                   /* as far as what is embedded is, too */
    enum address_embedding embedding; /* of what lies in it */
    const char *name;                 /* "loopback" */
    const char *source;               /* "RFC 1122" */
};

enum { ADDRESS_BLOCK_MOST_EMBEDDED = 2 };

/* The smallest block that the address lies in; the largest are all of IPv4 and all of IPv6. Any
 * thread, never blocks, as the next. */
const struct address_block *address_block_find(const struct address *address);

/* The IPv4 addresses in an address of `block`; how many there are. */
size_t address_block_embedded(const struct address_block *block, const struct address *address,
                              struct address ret_embedded[ADDRESS_BLOCK_MOST_EMBEDDED]);

#endif
