/* IP addresses of both families, and blocks of them. Pure. */
#ifndef CLASSIFYD_SERVER_FETCH_ADDRESS_H
#define CLASSIFYD_SERVER_FETCH_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

enum { ADDRESS_V4_BYTES = 4, ADDRESS_V6_BYTES = 16, ADDRESS_TEXT_BYTES = 46 };

struct address {
    bool is_v6;
    uint8_t bytes[ADDRESS_V6_BYTES]; /* in network order; of IPv4 the first four, the rest zero */
};

/* The addresses that share the first `bits` bits with `address`. */
struct address_network {
    struct address address;
    unsigned bits;
};

/* All functions: any thread, never block. */

/* False where it is neither IPv4 nor IPv6. */
bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *ret_address);

/* Every spelling that the C library connects to: dotted, with fewer than four parts, in hexadecimal
 * or octal; IPv6 as well in brackets. False: a name, or nothing that is an address. */
bool address_parse(const char *text, struct address *ret_address);

/* As it is usually written. */
void address_format(const struct address *address, char ret_text[ADDRESS_TEXT_BYTES]);

/* "10.0.0.0/8", "fd00::/8", "192.0.2.1" (that address alone). False where it is not one of these,
 * or has bits set behind its prefix. */
bool address_parse_network(const char *text, struct address_network *ret_network);

/* Never of an address of the other family. */
bool address_is_in(const struct address *address, const struct address_network *network);

#endif
