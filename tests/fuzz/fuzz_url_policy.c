/* URLs: what is let through has an http(s) scheme, a host that the lists name and, where the C
 * library takes that host for an address, one that a socket may connect to; what is logged of any
 * text shows no credentials, query or fragment. The first line is the URL, the second a redirect
 * from it. */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/fetch/url.h"
#include "server/fetch/url_policy.h"
#include "tests/fuzz/fuzz.h"

/* The host as it stands in a URL that was normalised: what libcurl connects to. */
static void cut_host(const char *url, char ret_host[URL_HOST_BYTES + 2])
{
    const char *host = strstr(url, "://") + 3;
    bool is_bracketed = *host == '[';
    size_t length = is_bracketed ? strcspn(++host, "]") : strcspn(host, ":/?#");
    if (!is_bracketed && length > 0 && host[length - 1] == '.')
        length--;
    if (length > URL_HOST_BYTES)
        abort();
    memcpy(ret_host, host, length);
    ret_host[length] = 0;
}

/* Asks the C library, which takes what connect(2) would be given. */
static void check_literal(const struct url_policy *policy, const char *host)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return;
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        if (!url_policy_allows_address(policy, at->ai_addr))
            abort();
    freeaddrinfo(list);
}

static void check_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text > '~' || *text == '#')
            abort();
}

static void check_allowed(const struct url_policy *policy, const char *text)
{
    struct url url, again;
    char host[URL_HOST_BYTES + 2];
    if (url_parse(text, &url, NULL) != STATUS_OK)
        abort();
    if (strncmp(url.text, "http://", 7) != 0 && strncmp(url.text, "https://", 8) != 0)
        abort();
    check_text(url.text);
    cut_host(url.text, host);
    if (strchr(host, '@'))
        abort();
    check_literal(policy, host);
    check_literal(policy, url.host);
    /* What is asked for is judged no differently from what was given; encoding makes it longer. */
    if (strlen(url.text) <= URL_MAX_BYTES) {
        if (url_parse(url.text, &again, NULL) != STATUS_OK || strcmp(again.host, url.host) != 0 ||
            again.port != url.port || again.is_address != url.is_address)
            abort();
        url_fini(&again);
    }
    url_fini(&url);
}

static void check_listed(const char *text)
{
    struct url url;
    if (url_parse(text, &url, NULL) != STATUS_OK)
        abort();
    size_t length = strlen(url.host);
    bool is_below = length > 10 && strcmp(url.host + length - 10, ".b.example") == 0;
    if (strcmp(url.host, "a.example") != 0 && !is_below)
        abort();
    if (url.port != 80 && url.port != 443)
        abort();
    url_fini(&url);
}

static void check_redacted(const char *text)
{
    char shown[512];
    url_policy_redact(text, shown, sizeof shown);
    if (strcmp(shown, "(not a URL)") == 0)
        return;
    if (strpbrk(shown, "?#\n"))
        abort();
    const char *authority = strstr(shown, "://");
    if (authority && memchr(authority + 3, '@', strcspn(authority + 3, "/")))
        abort();
}

static void check(const struct url_policy *any, const struct url_policy *listed, const char *text)
{
    struct error error = {0};
    enum status status = url_policy_check_url(any, text, &error);
    if (status == STATUS_OK)
        check_allowed(any, text);
    else if (status != STATUS_BAD_REQUEST && status != STATUS_UNSUPPORTED)
        abort();
    if (url_policy_check_url(listed, text, NULL) == STATUS_OK)
        check_listed(text);
    check_redacted(text);
    struct address_network network;
    if (address_parse_network(text, &network) && !address_is_in(&network.address, &network))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"a.example", "*.b.example"};
    static const struct url_policy_options open = {.allow_host_count = 0},
                                           closed = {.allow_hosts = hosts, .allow_host_count = 2};
    struct url_policy *any = NULL, *listed = NULL;
    char *text = malloc(size + 1);
    if (!text || url_policy_create(&open, &any, NULL) != STATUS_OK ||
        url_policy_create(&closed, &listed, NULL) != STATUS_OK)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    char *redirect = strchr(text, '\n');
    if (redirect)
        *redirect++ = 0;
    check(any, listed, text);
    char *target = redirect ? url_resolve(text, redirect) : NULL;
    if (target)
        check(any, listed, target);
    free(target);
    free(text);
    url_policy_destroy(any);
    url_policy_destroy(listed);
    return 0;
}
