#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "server/fetch/url_policy.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct url_policy *make(const struct url_policy_options *options)
{
    struct error error = {0};
    struct url_policy *policy = NULL;
    if (url_policy_create(options, &policy, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return policy;
}

static struct url_policy *make_default(void)
{
    return make(&(struct url_policy_options){.allow_host_count = 0});
}

/* Hosts of URLs that lead to this machine, its network, or nowhere. All are refused before a name
 * is looked up, as an address that is not allowed or as no host at all. */
static const char *const private_hosts[] = {
    /* 127.0.0.1 */
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0X7F000001",
    "0x7f.1", "0x7f.0.1", "0x7f.0x0.0x0.0x1", "0x7F.0x00000000.0.01", "0177.0.0.1", "0177.1",
    "00000177.0.0.1", "0177.0.0x1", "127.0.0.1.", "127.1.", "2130706433.", "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1", "%30x7f.1", "127.255.255.254",
    "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", /* full-width digits */
    "127\343\200\2020\343\200\2020\343\200\2021", /* ideographic full stops */
    "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1",
    "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1", /* circled digits */
    /* and in IPv6 */
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0.0.0.1]",
    "[::ffff:127.0.0.1]", "[::FFFF:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]", "[::7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]", "[2002:7f00:1::1]",
    "[2001:0:7f00:1::]",
    "[2001:0:808:808::80ff:fffe]", /* Teredo: the client's address is inverted */
    "[::1%25lo]", "[fe80::1%25eth0]",
    /* this host, this network */
    "0", "0.0.0.0", "0x0", "00.00.00.00", "0.1.2.3", "[::]", "[::ffff:0.0.0.0]",
    /* private use */
    "10.0.0.1", "10.1", "167772161", "0xa000001", "012.0.0.1", "172.16.0.1", "172.31.255.255",
    "2886729729", "192.168.0.1", "192.168.257", "3232235521", "0300.0250.0.1", "[::ffff:10.0.0.1]",
    "[::ffff:c0a8:1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]", "[2002:c0a8:101::1]",
    "[2001:0:102:304::f5ff:fffe]", /* Teredo, client 10.0.0.1 */
    "[fc00::1]", "[fd12:3456:789a::1]",
    /* the clouds' metadata, in more spellings than their own */
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
    "169.254.43518", "169.16689662", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[fd00:ec2::254]", "[fe80::a9fe:a9fe]",
    /* the other special purposes */
    "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "4294967295", "0xffffffff", "[100::1]", "[100:0:0:1::1]",
    "[2001:2::1]", "[2001:10::1]", "[2001:20::1]", "[2001:db8::1]", "[3fff::1]",
    "[3fff:fff:ffff::1]", "[4000::1]", "[5f00::1]", "[64:ff9b:1::8.8.8.8]", "[fec0::1]",
    "[ff02::1]", "[ff0e::1]",
    /* no address and no name */
    "256.256.256.256", "127.0.0.256", "1.2.3.4.5", "4294967296", "0x100000000", "08.8.8.8", "0x",
    "a.b.1", "x.0x7f", "127.0.0.1%00.example.org", "127.0.0.1%20", "%2531.0.0.1", "[127.0.0.1]",
    "[::1", "::1", "[1::2::3]", "..", "a..b",
    "b\303\274cher.example", /* xn--bcher-kva.example is taken */
};

static void private_addresses_are_refused_in_every_spelling(void **state)
{
    (void)state;
    assert_true(COUNT(private_hosts) >= 60);
    struct url_policy *policy = make_default();
    for (size_t i = 0; i < COUNT(private_hosts); i++) {
        struct error error = {0};
        char url[256];
        (void)snprintf(url, sizeof url, "http://%s/a.jpg", private_hosts[i]);
        enum status status = url_policy_check_url(policy, url, &error);
        if (status != STATUS_UNSUPPORTED && status != STATUS_BAD_REQUEST)
            fail_msg("%s: %s", url, status_code(status));
        assert_true(strlen(error.text) > 0);
    }
    url_policy_destroy(policy);
}

static void public_hosts_are_allowed(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "http://images.dog.ceo/breeds/hound-afghan/n02088094_2461.jpg",
        "https://IMAGES.dog.ceo/",
        "HTTPS://images.dog.ceo",
        "http://images.dog.ceo:80/",
        "https://images.dog.ceo:443/a.jpg?size=large#top",
        "http://images.dog.ceo./a.jpg",
        "https://cdn.example/@scope/package@1.0/a b.jpg",
        "https://cdn.example/f\xc3\xbcr.jpg",
        "http://xn--bcher-kva.example/",
        "http://a_b.example/",
        "http://8.8.8.8/",
        "http://134744072/",
        "http://1.1/",
        "http://9.255.255.255/",
        "http://11.0.0.0/",
        "http://100.63.255.255/",
        "http://100.128.0.0/",
        "http://126.255.255.255/",
        "http://128.0.0.1/",
        "http://169.253.255.255/",
        "http://172.15.255.255/",
        "http://172.32.0.0/",
        "http://192.0.1.0/",
        "http://192.31.196.1/",
        "http://192.167.255.255/",
        "http://192.169.0.0/",
        "http://198.17.255.255/",
        "http://198.20.0.0/",
        "http://223.255.255.255/",
        "http://[2606:4700::1111]/",
        "http://[2a00:1450:4001:80b::2004]/",
        "http://[2620:4f:8000::1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::8.8.8.8]/",
        "http://[2002:808:808::1]/",
        "http://[2001:0:808:808::f7f7:f7f7]/", /* Teredo, client 8.8.8.8 */
        "http://[2001:200::1]/",
        "http://[2003::1]/",
    };
    struct url_policy *policy = make_default();
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct error error = {0};
        if (url_policy_check_url(policy, urls[i], &error) != STATUS_OK)
            fail_msg("%s: %s", urls[i], error.text);
    }
    url_policy_destroy(policy);
}

static void other_urls_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum status status;
        const char *reason;
    } cases[] = {
        {"", STATUS_BAD_REQUEST, "begin with http://"},
        {"images.dog.ceo/a.jpg", STATUS_BAD_REQUEST, "begin with http://"},
        {"/etc/passwd", STATUS_BAD_REQUEST, "begin with http://"},
        {"file:///etc/passwd", STATUS_BAD_REQUEST, "http and https"},
        {"file://localhost/etc/passwd", STATUS_BAD_REQUEST, "http and https"},
        {"ftp://ftp.example/a.jpg", STATUS_BAD_REQUEST, "http and https"},
        {"gopher://a.example/", STATUS_BAD_REQUEST, "http and https"},
        {"dict://a.example/", STATUS_BAD_REQUEST, "http and https"},
        {"javascript:alert(1)", STATUS_BAD_REQUEST, ""},
        {"data:image/png;base64,AAAA", STATUS_BAD_REQUEST, ""},
        {"http://", STATUS_BAD_REQUEST, "not a URL"},
        {"http:///", STATUS_BAD_REQUEST, ""},
        {"http://user@a.example/", STATUS_BAD_REQUEST, "credentials"},
        {"http://user:secret@a.example/", STATUS_BAD_REQUEST, "credentials"},
        {"http://a.example%2f@b.example/", STATUS_BAD_REQUEST, "credentials"},
        {"http://a.example/\r\nHost: b", STATUS_BAD_REQUEST, "control character"},
        {"http://a.example/\x7f", STATUS_BAD_REQUEST, "control character"},
        {"http://a.example:99999/", STATUS_BAD_REQUEST, "not a URL"},
        {"http://a.example:http/", STATUS_BAD_REQUEST, "not a URL"},
        {"http://a.example:8080/", STATUS_UNSUPPORTED,
         "port 8080 of a.example is not allowed (fetch.allow_ports)"},
        {"http://a.example:0/", STATUS_UNSUPPORTED, "port 0"},
        {"http://a.example:22/", STATUS_UNSUPPORTED, "port 22"},
        {"http://10.0.0.1/", STATUS_UNSUPPORTED, "10.0.0.1 is not a public address: private use"},
        {"http://2130706433/", STATUS_UNSUPPORTED, "127.0.0.1 is not a public address: loopback"},
        {"http://[::ffff:10.0.0.1]/", STATUS_UNSUPPORTED, "private use (RFC 1918)"},
        {"http://a b.example/", STATUS_BAD_REQUEST, ""},
    };
    struct url_policy *policy = make_default();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error error = {0};
        enum status status = url_policy_check_url(policy, cases[i].url, &error);
        if (status != cases[i].status || !strstr(error.text, cases[i].reason))
            fail_msg("'%s': %s: %s", cases[i].url, status_code(status), error.text);
        assert_null(strstr(error.text, "secret"));
    }
    url_policy_destroy(policy);
}

static void a_long_url_is_refused(void **state)
{
    (void)state;
    static char url[9000] = "http://a.example/";
    memset(url + strlen(url), 'a', 8192 - strlen(url));
    struct url_policy *policy = make_default();
    struct error error = {0};
    assert_int_equal(url_policy_check_url(policy, url, &error), STATUS_OK);
    url[8192] = 'a';
    assert_int_equal(url_policy_check_url(policy, url, &error), STATUS_BAD_REQUEST);
    assert_string_equal(error.text, "the URL is longer than 8192 bytes");
    url_policy_destroy(policy);
}

static void allowed_hosts_are_exact_or_suffixes(void **state)
{
    (void)state;
    static const char *const hosts[] = {"images.Dog.ceo", "*.example.org", "exact.example.",
                                        "8.8.8.8", "2001:4860:4860:0::8888"};
    struct url_policy *policy =
        make(&(struct url_policy_options){.allow_hosts = hosts, .allow_host_count = COUNT(hosts)});
    static const struct {
        const char *url;
        bool is_allowed;
    } cases[] = {
        {"http://images.dog.ceo/", true},
        {"http://IMAGES.DOG.CEO./", true},
        {"http://dog.ceo/", false},
        {"http://a.images.dog.ceo/", false},
        {"http://images.dog.ceo.evil.example/", false},
        {"http://ximages.dog.ceo/", false},
        {"http://a.example.org/", true},
        {"http://a.b.EXAMPLE.org/", true},
        {"http://a.example.org./", true},
        {"http://example.org/", false},
        {"http://badexample.org/", false},
        {"http://exact.example/", true},
        {"http://8.8.8.8/", true},
        {"http://0x8.8.8.8/", true},
        {"http://134744072/", true},
        {"http://8.8.4.4/", false},
        {"http://[2001:4860:4860::8888]/", true},
        {"http://[2001:4860:4860::8844]/", false},
        {"http://other.example/", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error error = {0};
        enum status status = url_policy_check_url(policy, cases[i].url, &error);
        if (status != (cases[i].is_allowed ? STATUS_OK : STATUS_UNSUPPORTED))
            fail_msg("%s: %s: %s", cases[i].url, status_code(status), error.text);
    }
    assert_true(url_policy_has_allow_hosts(policy));
    url_policy_destroy(policy);
}

/* A host that is listed is no way around the judgement of its address. */
static void an_allowed_host_needs_an_allowed_address(void **state)
{
    (void)state;
    static const char *const hosts[] = {"10.0.0.5"}, *const networks[] = {"10.0.0.0/8"};
    struct url_policy_options options = {.allow_hosts = hosts, .allow_host_count = 1};
    struct url_policy *policy = make(&options);
    assert_int_equal(url_policy_check_url(policy, "http://10.0.0.5/", NULL), STATUS_UNSUPPORTED);
    url_policy_destroy(policy);
    options.allow_networks = networks;
    options.allow_network_count = 1;
    policy = make(&options);
    assert_int_equal(url_policy_check_url(policy, "http://10.0.0.5/", NULL), STATUS_OK);
    assert_int_equal(url_policy_check_url(policy, "http://10.0.0.6/", NULL), STATUS_UNSUPPORTED);
    url_policy_destroy(policy);
}

static void allowed_networks_and_what_they_embed(void **state)
{
    (void)state;
    static const char *const networks[] = {"127.0.0.0/8", "fd00::/8",       "64:ff9b:1::/48",
                                           "10.1.2.3",    "192.168.4.0/22", "::1"};
    struct url_policy *policy = make(&(struct url_policy_options){
        .allow_networks = networks, .allow_network_count = COUNT(networks)});
    static const struct {
        const char *ip;
        bool is_allowed;
    } cases[] = {
        {"127.0.0.1", true},
        {"::ffff:127.0.0.1", true},
        {"64:ff9b::127.0.0.1", true},
        {"2002:7f00:1::", true},
        {"::127.0.0.1", false}, /* ::/96 itself is not listed */
        {"::1", true},
        {"::", false},
        {"fd12::1", true},
        {"fc00::1", false},
        {"64:ff9b:1::8.8.8.8", true},
        {"64:ff9b:1::127.0.0.1", true},
        {"64:ff9b:1::10.0.0.1", false},
        {"64:ff9b:1::10.1.2.3", true},
        /* The other lengths of RFC 6052, 10.0.0.1 in each; 8.8.8.8 in the one of 64 bits. */
        {"64:ff9b:1:a00:0:100::", false},
        {"64:ff9b:1:a:0:1::", false},
        {"64:ff9b:1:0:a:0:100:0", false},
        {"64:ff9b:1:0:8:808:800:0", true},
        {"10.1.2.3", true},
        {"10.1.2.4", false},
        {"192.168.3.255", false},
        {"192.168.4.0", true},
        {"192.168.7.255", true},
        {"192.168.8.0", false},
        {"8.8.8.8", true},
        {"localhost", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (url_policy_allows_ip(policy, cases[i].ip) != cases[i].is_allowed)
            fail_msg("%s", cases[i].ip);
    url_policy_destroy(policy);
}

static void socket_addresses_are_judged_alike(void **state)
{
    (void)state;
    struct url_policy *policy = make_default();
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
    assert_false(url_policy_allows_address(policy, (struct sockaddr *)&v4));
    assert_false(url_policy_allows_address(policy, (struct sockaddr *)&v6));
    assert_false(url_policy_allows_address(policy, (struct sockaddr *)&local));
    v4.sin_addr.s_addr = htonl(0x08080808);
    assert_true(url_policy_allows_address(policy, (struct sockaddr *)&v4));
    assert_int_equal(inet_pton(AF_INET6, "2606:4700::1111", &v6.sin6_addr), 1);
    assert_true(url_policy_allows_address(policy, (struct sockaddr *)&v6));
    assert_int_equal(inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.sin6_addr), 1);
    assert_false(url_policy_allows_address(policy, (struct sockaddr *)&v6));
    url_policy_destroy(policy);
}

static void allowed_ports_replace_the_usual_two(void **state)
{
    (void)state;
    static const uint16_t ports[] = {8080};
    struct url_policy *policy =
        make(&(struct url_policy_options){.allow_ports = ports, .allow_port_count = 1});
    assert_int_equal(url_policy_check_url(policy, "http://a.example:8080/", NULL), STATUS_OK);
    assert_int_equal(url_policy_check_url(policy, "http://a.example/", NULL), STATUS_UNSUPPORTED);
    assert_int_equal(url_policy_check_url(policy, "https://a.example/", NULL), STATUS_UNSUPPORTED);
    assert_false(url_policy_has_allow_hosts(policy));
    url_policy_destroy(policy);
}

static void options_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "",         "*",    "*.", "*.*.org",           "a b", "a/b", "a:80",
        "http://a", "a..b", ".",  "b\xc3\xbc.example", "[::1"};
    static const char *const networks[] = {
        "",           "10.0.0.1/8",  "10.0.0.0/33", "10.0.0.0/",   "10/8",       "fd00::/129",
        "fd00::1/64", "10.0.0.0/-1", "localhost",   "10.0.0.0/8 ", "0x7f.0.0.1", "10.0.0.0/0008"};
    for (size_t i = 0; i < COUNT(hosts) + COUNT(networks); i++) {
        bool is_host = i < COUNT(hosts);
        const char *const *text = is_host ? &hosts[i] : &networks[i - COUNT(hosts)];
        struct error error = {0};
        struct url_policy *policy = NULL;
        const struct url_policy_options options = {.allow_hosts = text,
                                                   .allow_host_count = is_host,
                                                   .allow_networks = text,
                                                   .allow_network_count = !is_host};
        if (url_policy_create(&options, &policy, &error) != STATUS_BAD_REQUEST)
            fail_msg("'%s' was taken", *text);
        assert_non_null(strstr(error.text, *text));
    }
}

static void redaction_takes_credentials_query_and_fragment(void **state)
{
    (void)state;
    static const struct {
        const char *url, *expected;
    } cases[] = {
        {"https://a.example/b/c.jpg", "https://a.example/b/c.jpg"},
        {"https://a.example:8443/b?token=secret#secret", "https://a.example:8443/b"},
        {"https://user:secret@a.example/b", "https://a.example/b"},
        {"https://secret@a.example/", "https://a.example/"},
        {"https://a.example?secret", "https://a.example/"},
        {"https://a.example#secret", "https://a.example/"},
        {"https://a.example/@b/c@1", "https://a.example/@b/c@1"},
        {"ftp://user:secret@a.example/b;type=i", "ftp://a.example/b;type=i"},
        {"foo://secret@a.example/b?secret", "foo://a.example/b"},
        {"http://user:se?cret@a.example/", "(not a URL)"},
        {"http://user:se/cret@a.example/", "(not a URL)"},
        {"http://a@secret@a.example/", "(not a URL)"},
        {"file:secret@a", "(not a URL)"},
        {"secret", "(not a URL)"},
        {"", "(not a URL)"},
        {"http://a.example/\nsecret", "(not a URL)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[128];
        url_policy_redact(cases[i].url, text, sizeof text);
        assert_string_equal(text, cases[i].expected);
    }
    char cut[10];
    url_policy_redact("https://a.example/b", cut, sizeof cut);
    assert_string_equal(cut, "https://a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_addresses_are_refused_in_every_spelling),
        cmocka_unit_test(public_hosts_are_allowed),
        cmocka_unit_test(other_urls_are_refused_with_a_reason),
        cmocka_unit_test(a_long_url_is_refused),
        cmocka_unit_test(allowed_hosts_are_exact_or_suffixes),
        cmocka_unit_test(an_allowed_host_needs_an_allowed_address),
        cmocka_unit_test(allowed_networks_and_what_they_embed),
        cmocka_unit_test(socket_addresses_are_judged_alike),
        cmocka_unit_test(allowed_ports_replace_the_usual_two),
        cmocka_unit_test(options_that_cannot_be_read_are_named),
        cmocka_unit_test(redaction_takes_credentials_query_and_fragment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
