#include "server/fetch/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct address make(int family, const void *bytes)
{
    struct address address = {.is_v6 = family == AF_INET6};
    memcpy(address.bytes, bytes, address.is_v6 ? ADDRESS_V6_BYTES : ADDRESS_V4_BYTES);
    return address;
}

bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *ret_address)
{
    /* Copied, as what is pointed at need not be aligned for its family. */
    if (sockaddr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sockaddr, sizeof v4);
        *ret_address = make(AF_INET, &v4.sin_addr);
        return true;
    }
    if (sockaddr->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, sockaddr, sizeof v6);
        *ret_address = make(AF_INET6, &v6.sin6_addr);
        return true;
    }
    return false;
}

static bool parse_v6(const char *text, struct address *ret_address)
{
    char inner[ADDRESS_TEXT_BYTES];
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    struct in6_addr v6;
    if (length >= sizeof inner)
        return false;
    memcpy(inner, text, length);
    inner[length] = 0;
    if (inet_pton(AF_INET6, inner, &v6) != 1)
        return false;
    *ret_address = make(AF_INET6, &v6);
    return true;
}

bool address_parse(const char *text, struct address *ret_address)
{
    if (strchr(text, ':'))
        return parse_v6(text, ret_address);
    struct in_addr v4;
    /* inet_aton stops at a space and takes what is before it. */
    if (text[strspn(text, "0123456789abcdefABCDEFxX.")] != 0 || inet_aton(text, &v4) == 0)
        return false;
    *ret_address = make(AF_INET, &v4);
    return true;
}

void address_format(const struct address *address, char ret_text[ADDRESS_TEXT_BYTES])
{
    ret_text[0] = 0;
    (void)inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, address->bytes, ret_text,
                    ADDRESS_TEXT_BYTES);
}

static unsigned all_bits(const struct address *address)
{
    return address->is_v6 ? 8 * ADDRESS_V6_BYTES : 8 * ADDRESS_V4_BYTES;
}

static bool has_bit(const struct address *address, unsigned index)
{
    return address->bytes[index / 8] >> (7 - index % 8) & 1;
}

/* One to three digits up to the end; false over `most`. */
static bool parse_bits(const char *text, unsigned most, unsigned *ret_bits)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != 0)
        return false;
    unsigned long bits = strtoul(text, NULL, 10);
    *ret_bits = (unsigned)bits;
    return bits <= most;
}

bool address_parse_network(const char *text, struct address_network *ret_network)
{
    char base[ADDRESS_TEXT_BYTES];
    size_t length = strcspn(text, "/");
    if (length >= sizeof base)
        return false;
    memcpy(base, text, length);
    base[length] = 0;
    struct in6_addr bytes;
    int family = strchr(base, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, base, &bytes) != 1)
        return false;
    struct address_network network = {.address = make(family, &bytes)};
    unsigned most = all_bits(&network.address);
    network.bits = most;
    if (text[length] == '/' && !parse_bits(text + length + 1, most, &network.bits))
        return false;
    for (unsigned i = network.bits; i < most; i++)
        if (has_bit(&network.address, i))
            return false;
    *ret_network = network;
    return true;
}

bool address_is_in(const struct address *address, const struct address_network *network)
{
    const struct address *base = &network->address;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (address->is_v6 != base->is_v6 || memcmp(address->bytes, base->bytes, whole) != 0)
        return false;
    return rest == 0 || (address->bytes[whole] ^ base->bytes[whole]) >> (8 - rest) == 0;
}
