/* The table follows the IANA IPv4 and IPv6 Special-Purpose Address Registries, the multicast ranges
 * and what older RFCs gave up. It is stricter in places where "globally reachable" is true of an
 * anycast service or an identifier, never of a host with images: 192.0.0.0/24 and 2001::/23. */
#include "server/fetch/address_block.h"

#include <string.h>

#define V4(prefix, ...)                                                                            \
    {                                                                                              \
        {false, {__VA_ARGS__}}, prefix                                                             \
    }
#define V6(prefix, ...)                                                                            \
    {                                                                                              \
        {true, {__VA_ARGS__}}, prefix                                                              \
    }
#define PUBLIC  true, ADDRESS_EMBEDS_NONE
#define SPECIAL false, ADDRESS_EMBEDS_NONE

static const struct address_block blocks[] = {
    {V4(0, 0), PUBLIC, "a public address", "RFC 791"},
    {V4(8, 0), SPECIAL, "this network", "RFC 791"},
    {V4(8, 10), SPECIAL, "private use", "RFC 1918"},
    {V4(10, 100, 64), SPECIAL, "shared by a carrier's customers", "RFC 6598"},
    {V4(8, 127), SPECIAL, "loopback", "RFC 1122"},
    {V4(16, 169, 254), SPECIAL, "link-local", "RFC 3927"},
    {V4(12, 172, 16), SPECIAL, "private use", "RFC 1918"},
    {V4(24, 192, 0, 0), SPECIAL, "kept for protocols", "RFC 6890"},
    {V4(24, 192, 0, 2), SPECIAL, "for documentation", "RFC 5737"},
    {V4(24, 192, 88, 99), SPECIAL, "a former relay of 6to4", "RFC 7526"},
    {V4(16, 192, 168), SPECIAL, "private use", "RFC 1918"},
    {V4(15, 198, 18), SPECIAL, "for benchmarks", "RFC 2544"},
    {V4(24, 198, 51, 100), SPECIAL, "for documentation", "RFC 5737"},
    {V4(24, 203, 0, 113), SPECIAL, "for documentation", "RFC 5737"},
    {V4(4, 224), SPECIAL, "multicast", "RFC 5771"},
    {V4(4, 240), SPECIAL, "reserved", "RFC 1112"},
    {V4(32, 255, 255, 255, 255), SPECIAL, "broadcast", "RFC 919"},

    {V6(0, 0), SPECIAL, "not assigned", "RFC 4291"},
    {V6(3, 0x20), PUBLIC, "a public address", "RFC 4291"},
    {V6(96, 0), false, ADDRESS_EMBEDS_LAST, "IPv4-compatible", "RFC 4291"},
    {V6(128, 0), SPECIAL, "unspecified", "RFC 4291"},
    {V6(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), SPECIAL, "loopback", "RFC 4291"},
    {V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), true, ADDRESS_EMBEDS_LAST, "IPv4-mapped",
     "RFC 4291"},
    {V6(96, 0x00, 0x64, 0xff, 0x9b), true, ADDRESS_EMBEDS_LAST, "IPv4 behind NAT64", "RFC 6052"},
    {V6(48, 0x00, 0x64, 0xff, 0x9b, 0, 1), false, ADDRESS_EMBEDS_LOCAL_NAT64,
     "IPv4 behind a local NAT64", "RFC 8215"},
    {V6(64, 0x01, 0x00), SPECIAL, "discarded", "RFC 6666"},
    {V6(64, 0x01, 0x00, 0, 0, 0, 0, 0, 1), SPECIAL, "a dummy prefix", "RFC 9780"},
    {V6(23, 0x20, 0x01), SPECIAL, "kept for protocols", "RFC 2928"},
    {V6(32, 0x20, 0x01, 0, 0), true, ADDRESS_EMBEDS_TEREDO, "Teredo", "RFC 4380"},
    {V6(48, 0x20, 0x01, 0, 2), SPECIAL, "for benchmarks", "RFC 5180"},
    {V6(28, 0x20, 0x01, 0, 0x10), SPECIAL, "an identifier (ORCHID)", "RFC 4843"},
    {V6(28, 0x20, 0x01, 0, 0x20), SPECIAL, "an identifier (ORCHIDv2)", "RFC 7343"},
    {V6(28, 0x20, 0x01, 0, 0x30), SPECIAL, "an identifier of a drone", "RFC 9374"},
    {V6(32, 0x20, 0x01, 0x0d, 0xb8), SPECIAL, "for documentation", "RFC 3849"},
    {V6(16, 0x20, 0x02), true, ADDRESS_EMBEDS_6TO4, "6to4", "RFC 3056"},
    {V6(20, 0x3f, 0xff), SPECIAL, "for documentation", "RFC 9637"},
    {V6(16, 0x5f, 0x00), SPECIAL, "segment routing", "RFC 9602"},
    {V6(7, 0xfc), SPECIAL, "private use", "RFC 4193"},
    {V6(10, 0xfe, 0x80), SPECIAL, "link-local", "RFC 4291"},
    {V6(10, 0xfe, 0xc0), SPECIAL, "site-local", "RFC 3879"},
    {V6(8, 0xff), SPECIAL, "multicast", "RFC 4291"},
};

const struct address_block *address_block_find(const struct address *address)
{
    const struct address_block *found = NULL;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const struct address_network *network = &blocks[i].network;
        if (address_is_in(address, network) && (!found || network->bits > found->network.bits))
            found = &blocks[i];
    }
    return found;
}

static struct address v4_at(const struct address *address, size_t offset, uint8_t mask)
{
    struct address v4 = {.is_v6 = false};
    for (size_t i = 0; i < ADDRESS_V4_BYTES; i++)
        v4.bytes[i] = address->bytes[offset + i] ^ mask;
    return v4;
}

size_t address_block_embedded(const struct address_block *block, const struct address *address,
                              struct address ret_embedded[ADDRESS_BLOCK_MOST_EMBEDDED])
{
    switch (block->embedding) {
    case ADDRESS_EMBEDS_NONE:
        return 0;
    case ADDRESS_EMBEDS_LAST:
        ret_embedded[0] = v4_at(address, 12, 0);
        return 1;
    case ADDRESS_EMBEDS_LOCAL_NAT64:
        ret_embedded[0] = v4_at(address, 12, 0);
        /* Zeros at the end: a prefix of 64 bits, by RFC 6052 followed by a zero byte. With one of
         * 48 or 56 bits the last four bytes are 0.0.0.0, which is nobody's. */
        ret_embedded[1] = v4_at(address, 9, 0);
        return memcmp(address->bytes + 13, "\0\0\0", 3) == 0 ? 2 : 1;
    case ADDRESS_EMBEDS_6TO4:
        ret_embedded[0] = v4_at(address, 2, 0);
        return 1;
    case ADDRESS_EMBEDS_TEREDO:
        ret_embedded[0] = v4_at(address, 4, 0);
        ret_embedded[1] = v4_at(address, 12, 0xff);
        return 2;
    }
    return 0;
}
