#include "server/fetch/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_LABEL_BYTES = 63, MAX_HOST_BYTES = 253 };

static bool has_control_character(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Labels of letters, digits, - and _, each followed by a dot but the last. */
static bool is_name(const char *host)
{
    size_t label = 0;
    for (const char *at = host; *at; at++) {
        bool is_dot = *at == '.';
        if (is_dot && label == 0)
            return false;
        if (!is_dot && !isalnum((unsigned char)*at) && *at != '-' && *at != '_')
            return false;
        label = is_dot ? 0 : label + 1;
        if (label > MAX_LABEL_BYTES)
            return false;
    }
    return label > 0 && strlen(host) <= MAX_HOST_BYTES;
}

/* Whether the last label is a number: such a host is an IPv4 address or nothing, so that no parser
 * further down can read an address into what was taken for a name here. */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.'), *label = dot ? dot + 1 : host;
    if (strncasecmp(label, "0x", 2) == 0)
        return label[2 + strspn(label + 2, "0123456789abcdefABCDEF")] == 0;
    return *label && label[strspn(label, "0123456789")] == 0;
}

static enum status take_host(struct url *url, const char *host, struct error *error)
{
    size_t length = strlen(host);
    bool is_bracketed = length >= 2 && host[0] == '[';
    if (is_bracketed) {
        host++;
        length -= 2;
    } else if (length > 0 && host[length - 1] == '.') {
        length--;
    }
    if (length >= sizeof url->host)
        return error_set(error, STATUS_BAD_REQUEST, "the URL's host is too long");
    for (size_t i = 0; i < length; i++)
        url->host[i] = (char)tolower((unsigned char)host[i]);
    url->host[length] = 0;
    url->is_address = address_parse(url->host, &url->address);
    if (url->is_address)
        address_format(&url->address, url->host);
    else if (!is_name(url->host))
        return error_set(error, STATUS_BAD_REQUEST,
                         "the URL's host is no name: letters, digits, dots and dashes; others in "
                         "their xn-- form");
    else if (ends_in_number(url->host))
        return error_set(error, STATUS_BAD_REQUEST, "the URL's host is not an IPv4 address");
    return STATUS_OK;
}

static enum status keep(struct url *url, const char *host, const char *port, const char *text,
                        struct error *error)
{
    enum status status = take_host(url, host, error);
    if (status != STATUS_OK)
        return status;
    url->port = (uint16_t)strtoul(port, NULL, 10);
    url->text = strdup(text);
    return url->text ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
}

/* One part, to be given to curl_free; NULL where there is none. */
static char *get(CURLU *handle, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(handle, part, &text, flags) == CURLUE_OK ? text : NULL;
}

static enum status take_parts(CURLU *handle, struct url *url, struct error *error)
{
    enum status status = STATUS_OK;
    char *scheme = get(handle, CURLUPART_SCHEME, 0);
    char *host = get(handle, CURLUPART_HOST, 0);
    char *zone = get(handle, CURLUPART_ZONEID, 0);
    char *port = get(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *text = get(handle, CURLUPART_URL, 0);
    if (!scheme || (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        status = error_set(error, STATUS_BAD_REQUEST, "only http and https URLs are fetched");
    else if (!host || !port || !text)
        status = error_set(error, STATUS_BAD_REQUEST, "not a URL: it has no host");
    else if (zone)
        status = error_set(error, STATUS_BAD_REQUEST, "the URL's address has a zone");
    else
        status = keep(url, host, port, text, error);
    curl_free(scheme);
    curl_free(host);
    curl_free(zone);
    curl_free(port);
    curl_free(text);
    return status;
}

static enum status explain(CURLUcode code, struct error *error)
{
    switch (code) {
    case CURLUE_OUT_OF_MEMORY:
        return error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
    case CURLUE_USER_NOT_ALLOWED:
        return error_set(error, STATUS_BAD_REQUEST,
                         "the URL has credentials in it; leave them out");
    case CURLUE_BAD_SCHEME:
    case CURLUE_UNSUPPORTED_SCHEME:
        return error_set(error, STATUS_BAD_REQUEST,
                         "only URLs that begin with http:// or https:// are fetched");
    default:
        return error_set(error, STATUS_BAD_REQUEST, "not a URL: %s", curl_url_strerror(code));
    }
}

enum status url_parse(const char *text, struct url *ret_url, struct error *error)
{
    if (strnlen(text, URL_MAX_BYTES + 1) > URL_MAX_BYTES)
        return error_set(error, STATUS_BAD_REQUEST, "the URL is longer than %d bytes",
                         URL_MAX_BYTES);
    if (has_control_character(text))
        return error_set(error, STATUS_BAD_REQUEST, "the URL has a control character in it");
    struct url url = {.text = NULL};
    CURLU *handle = curl_url();
    if (!handle)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
    /* Spaces and what is not ASCII are let through and percent-encoded, as a browser does. */
    CURLUcode code = CURLUE_BAD_SCHEME; /* where it is empty, for which libcurl has many reasons */
    if (*text)
        code = curl_url_set(handle, CURLUPART_URL, text,
                            CURLU_DISALLOW_USER | CURLU_ALLOW_SPACE | CURLU_URLENCODE);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
    enum status status = code == CURLUE_OK ? take_parts(handle, &url, error) : explain(code, error);
    curl_url_cleanup(handle);
    if (status == STATUS_OK)
        *ret_url = url;
    return status;
}

void url_fini(struct url *url)
{
    free(url->text);
    *url = (struct url){.text = NULL};
}

char *url_resolve(const char *base, const char *reference)
{
    enum { FLAGS = CURLU_NON_SUPPORT_SCHEME | CURLU_ALLOW_SPACE | CURLU_URLENCODE };
    char *resolved = NULL, *copy = NULL;
    CURLU *handle = curl_url();
    if (handle && curl_url_set(handle, CURLUPART_URL, base, FLAGS) == CURLUE_OK &&
        curl_url_set(handle, CURLUPART_URL, reference, FLAGS) == CURLUE_OK)
        resolved = get(handle, CURLUPART_URL, 0);
    if (resolved)
        copy = strdup(resolved);
    curl_free(resolved);
    curl_url_cleanup(handle);
    return copy;
}

/* Without the parts that are nobody's business; NULL where it is no URL, or has no host: then what
 * stands before an @ is nothing that the parser knows. */
static char *strip(CURLU *handle, const char *text)
{
    static const CURLUPart secrets[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                        CURLUPART_QUERY, CURLUPART_FRAGMENT};
    if (has_control_character(text) ||
        curl_url_set(handle, CURLUPART_URL, text,
                     CURLU_NON_SUPPORT_SCHEME | CURLU_ALLOW_SPACE | CURLU_URLENCODE) != CURLUE_OK)
        return NULL;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (curl_url_set(handle, secrets[i], NULL, 0) != CURLUE_OK)
            return NULL;
    char *host = get(handle, CURLUPART_HOST, 0);
    bool has_host = host && *host;
    curl_free(host);
    return has_host ? get(handle, CURLUPART_URL, 0) : NULL;
}

void url_redact(const char *text, char *ret_text, size_t size)
{
    CURLU *handle = curl_url();
    char *stripped = handle ? strip(handle, text) : NULL;
    (void)snprintf(ret_text, size, "%s", stripped ? stripped : "(not a URL)");
    curl_free(stripped);
    curl_url_cleanup(handle);
}
