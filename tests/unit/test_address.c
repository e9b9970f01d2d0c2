#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/fetch/address.h"

/* By inet_aton(3): one to four parts, each in three bases, the last as long as is left. */
static void addresses_are_read_in_every_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected; /* NULL: not an address */
    } cases[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"1.2.772", "1.2.3.4"},
        {"1.131844", "1.2.3.4"},
        {"16909060", "1.2.3.4"},
        {"0x1020304", "1.2.3.4"},
        {"0100401404", "1.2.3.4"},
        {"01.0x2.3.04", "1.2.3.4"},
        {"::1", "::1"},
        {"[::1]", "::1"},
        {"0:0::0:1", "::1"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {"", NULL},
        {"1.2.3.4 x", NULL},
        {"1.2.3.4.", NULL},
        {"1.2.3.256", NULL},
        {"1.2.3.4.5", NULL},
        {"4294967296", NULL},
        {"08.1.1.1", NULL},
        {"a.b", NULL},
        {"dead", NULL},
        {"[::1", NULL},
        {"[]", NULL},
        {"::1%lo", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address;
        char text[ADDRESS_TEXT_BYTES];
        if (address_parse(cases[i].text, &address) != (cases[i].expected != NULL))
            fail_msg("%s", cases[i].text);
        if (!cases[i].expected)
            continue;
        address_format(&address, text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void networks_hold_the_addresses_of_their_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *network, *first, *last, *before, *after;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
        {"100.64.0.0/10", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
        {"1.2.3.4", "1.2.3.4", "1.2.3.4", "1.2.3.3", "1.2.3.5"},
        {"1.2.3.4/31", "1.2.3.4", "1.2.3.5", "1.2.3.3", "1.2.3.6"},
        {"fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
        {"::1", "::1", "::1", "::", "::2"},
        {"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "::ffff:1.2.3.4"},
        {"::/0", "::", "ffff::", "1.2.3.4", "0.0.0.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_network network;
        struct address inside[2], outside[2];
        assert_true(address_parse_network(cases[i].network, &network));
        assert_true(address_parse(cases[i].first, &inside[0]));
        assert_true(address_parse(cases[i].last, &inside[1]));
        assert_true(address_parse(cases[i].before, &outside[0]));
        assert_true(address_parse(cases[i].after, &outside[1]));
        for (size_t j = 0; j < 2; j++) {
            if (!address_is_in(&inside[j], &network) || address_is_in(&outside[j], &network))
                fail_msg("%s", cases[i].network);
        }
    }
}

static void socket_addresses_are_taken(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x01020304)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct address address;
    char text[ADDRESS_TEXT_BYTES];
    assert_true(address_from_sockaddr((struct sockaddr *)&v4, &address));
    address_format(&address, text);
    assert_string_equal(text, "1.2.3.4");
    assert_true(address_from_sockaddr((struct sockaddr *)&v6, &address));
    address_format(&address, text);
    assert_string_equal(text, "::1");
    assert_false(address_from_sockaddr(&none, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_in_every_spelling),
        cmocka_unit_test(networks_hold_the_addresses_of_their_prefix),
        cmocka_unit_test(socket_addresses_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
