"""Which addresses are public: the policy beside Python's ipaddress, and every difference explained.

ADDRESS_DRIVER names the program that answers (meson does).
"""
import ipaddress
import os
import pathlib
import random
import subprocess

import pytest

DRIVER = os.environ.get("ADDRESS_DRIVER", str(pathlib.Path(__file__).resolve().parents[2] /
                                              "build" / "tests" / "fetch" / "address_driver"))
# The IANA IPv4 and IPv6 Special-Purpose Address Registries, where "Globally Reachable" is not true,
# and the multicast ranges.
SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/29
192.0.0.8/32 192.0.0.170/31 192.0.2.0/24 192.88.99.2/32 192.168.0.0/16 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001:2::/48 2001:10::/28 2001:db8::/32
3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()
# Where ipaddress says "global" and we refuse, with the reason.
STRICTER = {
    "192.0.0.0/24": "9 and 10 are anycast to the nearest PCP and TURN server; the rest is newer than "
                    "some versions of ipaddress",
    "192.88.99.0/24": "the relays of 6to4, given up by RFC 7526",
    "224.0.0.0/4": "multicast is global to ipaddress; nobody serves an image from there",
    "ff00::/8": "likewise",
    "::/3": "not assigned as unicast; what is special in it, ipaddress may not know",
    "4000::/2": "not assigned", "8000::/2": "not assigned", "c000::/2": "not assigned, or special",
    "2001::/23": "identifiers and anycast services, no hosts (ORCHID, DRIP, AMT, AS112)",
    "3fff::/20": "documentation since RFC 9637, newer than some versions of ipaddress",
}
# What carries an IPv4 address is as public as that one.
CARRIERS = [ipaddress.ip_network(text) for text in
            ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32")]


def ask(addresses):
    """{address: whether it may be connected to}"""
    lines = "".join(f"{address}\n" for address in addresses)
    done = subprocess.run([DRIVER], input=lines, capture_output=True, text=True, timeout=120,
                          check=True)
    answers = done.stdout.split()
    assert len(answers) == len(addresses)
    return {address: answer == "yes" for address, answer in zip(addresses, answers)}


def carried(address):
    """The IPv4 addresses in an IPv6 one, as ipaddress takes them out."""
    if address.version == 4:
        return []
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address.sixtofour]
    if address.teredo:
        return list(address.teredo)
    if address in CARRIERS[1]:
        return [ipaddress.IPv4Address(address.packed[-4:])]
    return []


def expected(address):
    """What ipaddress says, but for the differences above."""
    inner = carried(address)
    if inner:
        return all(expected(one) for one in inner)
    if any(address in ipaddress.ip_network(text) for text in STRICTER
           if address.version == ipaddress.ip_network(text).version):
        return False
    return address.is_global


def edges(network):
    """Its first and last address and their neighbours outside."""
    first, last = network[0], network[-1]
    yield from (first, last)
    if int(first) > 0:
        yield first - 1
    if int(last) < 2 ** network.max_prefixlen - 1:
        yield last + 1


def assert_as_expected(addresses):
    wrong = [f"{address}: {answer}" for address, answer in ask(addresses).items()
             if answer != expected(address)]
    assert not wrong, wrong[:20]


@pytest.mark.parametrize("text", SPECIAL)
def test_special_blocks_are_refused_from_end_to_end(text):
    network = ipaddress.ip_network(text)
    inside = [network[0], network[-1], network[network.num_addresses // 2]]
    assert not any(ask(inside).values())


def test_the_edges_of_all_blocks():
    networks = [ipaddress.ip_network(text) for text in [*SPECIAL, *STRICTER]] + CARRIERS
    networks += [ipaddress.ip_network(text) for text in ("2000::/3", "192.31.196.0/24",
                                                         "192.52.193.0/24", "192.175.48.0/24")]
    assert_as_expected([address for network in networks for address in edges(network)])


def test_random_addresses():
    """Of all of each family, and of the blocks, where few would otherwise lie."""
    source = random.Random(1)
    addresses = [ipaddress.IPv4Address(source.getrandbits(32)) for _ in range(20000)]
    addresses += [ipaddress.IPv6Address(source.getrandbits(128)) for _ in range(10000)]
    addresses += [ipaddress.IPv6Address(1 << 125 | source.getrandbits(125)) for _ in range(10000)]
    for network in [ipaddress.ip_network(text) for text in [*SPECIAL, *STRICTER]]:
        addresses += [network[source.randrange(network.num_addresses)] for _ in range(100)]
    assert_as_expected(addresses)
    assert sum(ask(addresses[:20000]).values()) > 15000


def test_what_is_carried_is_judged():
    """Public and private IPv4 addresses in each of the forms."""
    source = random.Random(2)
    special = [ipaddress.ip_network(text) for text in SPECIAL[:18]]
    inner = [ipaddress.IPv4Address(source.getrandbits(32)) for _ in range(500)]
    inner += [network[source.randrange(network.num_addresses)] for network in special
              for _ in range(20)]
    addresses = []
    for one in map(int, inner):
        server = source.choice([0x08080808, 0x0a000001])
        addresses += [0xffff << 32 | one, 0x64ff9b << 96 | one,
                      0x2002 << 112 | one << 80 | source.getrandbits(80),
                      0x2001 << 112 | server << 64 | source.getrandbits(32) << 32
                      | one ^ 0xffffffff]
    addresses = [ipaddress.IPv6Address(number) for number in addresses]
    assert_as_expected(addresses)
    assert len(set(ask(addresses).values())) == 2


@pytest.mark.parametrize("form", ["{0}", "{1}", "0x{1:x}", "0{1:o}", "{2}.{3}",
                                  "0x{4:x}.{5}.{6}.0{7:o}"])
def test_spellings_of_inet_aton(form):
    """A number, hexadecimal, octal, and fewer parts are the address that they stand for."""
    source = random.Random(3)
    spellings = {}
    for _ in range(500):
        address = ipaddress.IPv4Address(source.getrandbits(32))
        number = int(address)
        spellings[form.format(address, number, number >> 24, number & 0xffffff,
                              *address.packed)] = address
    answers = ask(list(spellings))
    assert all(answers[text] == expected(address) for text, address in spellings.items())
