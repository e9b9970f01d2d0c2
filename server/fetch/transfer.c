/* Owns every option that libcurl is given, and the connection's limits. */
#include "server/fetch/transfer.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model/image/decode.h"

enum {
    MAX_HEADER_BYTES = 256 << 10,
    /* The body of a redirect or an error: read, so that the connection can be used again. */
    MAX_DISCARDED_BYTES = 16 << 10,
    /* More than any format needs to be told from others. */
    SNIFFED_BYTES = 64,
    BUFFER_BYTES = 64 << 10,
};

struct transfer {
    struct transfer_options options; /* without ca_file and proxy, which libcurl has copied */
    void *owner;
    CURL *curl;
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];

    /* Of one request. */
    bool (*is_wanted)(void *user);
    void *user;
    struct problem problem; /* found by a callback, which then breaks off */
    struct blob *blob;
    unsigned refused_addresses, opened_sockets;
    size_t header_bytes, discarded_bytes;
    bool is_sniffed;
};

/* Printable ASCII alone: what a server says goes into answers and logs. */
static void copy_text(const char *text, char *ret_text, size_t size)
{
    size_t i = 0;
    for (; text[i] && i + 1 < size; i++)
        ret_text[i] = text[i];
    for (size_t j = 0; j < i; j++)
        if (ret_text[j] < ' ' || ret_text[j] > '~')
            ret_text[j] = '?';
    ret_text[i] = 0;
}

/* Sees the address of every new connection before anything is sent to it. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = user;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        !url_policy_allows_address(transfer->options.policy, &address->addr)) {
        transfer->refused_addresses++;
        return CURL_SOCKET_BAD;
    }
    transfer->opened_sockets++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void refuse_address(struct transfer *transfer)
{
    problem_set(&transfer->problem, PROBLEM_ADDRESS_NOT_ALLOWED,
                "its address is not public, and not one of those that are allowed besides");
}

/* The same for a connection that is used again. */
static int judge_connection(void *user, char *ip, char *local_ip, int port, int local_port)
{
    (void)local_ip;
    (void)port;
    (void)local_port;
    struct transfer *transfer = user;
    if (url_policy_allows_ip(transfer->options.policy, ip))
        return CURL_PREREQFUNC_OK;
    refuse_address(transfer);
    return CURL_PREREQFUNC_ABORT;
}

static bool has_nobody_waiting(struct transfer *transfer)
{
    if (!transfer->is_wanted || transfer->is_wanted(transfer->user))
        return false;
    problem_set(&transfer->problem, PROBLEM_CLIENT_GONE, "nobody waits for the image any more");
    return true;
}

static size_t take_header(char *line, size_t size, size_t count, void *user)
{
    (void)line;
    struct transfer *transfer = user;
    size_t bytes = size * count;
    transfer->header_bytes += bytes;
    if (transfer->header_bytes > MAX_HEADER_BYTES)
        problem_set(&transfer->problem, PROBLEM_FETCH_FAILED,
                    "the server sent more than %d bytes of headers", MAX_HEADER_BYTES);
    else if (!has_nobody_waiting(transfer))
        return bytes;
    return 0;
}

static long answered_code(CURL *curl)
{
    long code = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

static void refuse_size(struct transfer *transfer)
{
    problem_set(&transfer->problem, PROBLEM_FETCH_TOO_LARGE,
                "larger than the %zu bytes that are taken", transfer->options.max_bytes);
}

static void refuse_content(struct transfer *transfer)
{
    const char *type = NULL;
    char shown[64];
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
    copy_text(type ? type : "no type", shown, sizeof shown);
    problem_set(&transfer->problem, PROBLEM_FETCH_NOT_AN_IMAGE,
                "what it sent is no image that is read here (JPEG, PNG, WebP, BMP and GIF are); it "
                "calls it %s",
                shown);
}

static void take_error(struct transfer *transfer, const struct error *error)
{
    if (error->status == STATUS_TOO_LARGE)
        refuse_size(transfer);
    else
        problem_set(&transfer->problem, PROBLEM_OVERLOADED, "%s", error->text);
}

/* Room for what the server says will come. */
static bool make_blob(struct transfer *transfer)
{
    struct error error = {0};
    curl_off_t length = -1;
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    size_t capacity = length > 0 ? (size_t)length : 0;
    if (capacity > transfer->options.max_bytes) {
        refuse_size(transfer);
        return false;
    }
    if (blob_create(transfer->options.budget, capacity, &transfer->blob, &error) == STATUS_OK)
        return true;
    take_error(transfer, &error);
    return false;
}

/* False once it is clear that this is no image. */
static bool sniff(struct transfer *transfer, bool is_complete)
{
    enum image_format format;
    struct span bytes = blob_bytes(transfer->blob);
    if (!transfer->is_sniffed)
        transfer->is_sniffed = decode_sniff(bytes, &format);
    if (transfer->is_sniffed || (!is_complete && bytes.size < SNIFFED_BYTES))
        return true;
    refuse_content(transfer);
    return false;
}

static bool keep(struct transfer *transfer, struct span bytes)
{
    struct error error = {0};
    if (!transfer->blob && !make_blob(transfer))
        return false;
    if (blob_append(transfer->blob, bytes, transfer->options.max_bytes, &error) != STATUS_OK) {
        take_error(transfer, &error);
        return false;
    }
    return sniff(transfer, false);
}

/* Returns 0, which breaks off: bytes never come in none. */
static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    struct span bytes = {(const uint8_t *)data, size * count};
    if (has_nobody_waiting(transfer))
        return 0;
    if (answered_code(transfer->curl) != 200) {
        transfer->discarded_bytes += bytes.size;
        return transfer->discarded_bytes > MAX_DISCARDED_BYTES ? 0 : bytes.size;
    }
    return keep(transfer, bytes) ? bytes.size : 0;
}

/* At least one, as zero is "no limit" to libcurl. */
static long to_ms(uint64_t us)
{
    uint64_t ms = (us + 999) / 1000;
    return ms < 1 ? 1 : ms < INT32_MAX ? (long)ms : INT32_MAX;
}

static bool set_callbacks(struct transfer *transfer)
{
    CURL *curl = transfer->curl;
    return curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, judge_connection) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PREREQDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
}

/* HTTP/1.1 alone: a host gets few connections, and what is not spoken cannot be attacked. Redirects
 * are followed by the fetcher, which shows each to the policy first. */
static bool set_protocol(CURL *curl, const struct curl_slist *headers,
                         const struct transfer_options *options)
{
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "classifyd/" CLASSIFYD_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)options->max_bytes) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, to_ms(options->connect_timeout_us)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
}

/* What the environment says of proxies is not asked: OPENSOCKETFUNCTION would judge the proxy's
 * address instead of the host's. */
static bool set_proxy(CURL *curl, const char *proxy)
{
    return curl_easy_setopt(curl, CURLOPT_PROXY, proxy ? proxy : "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK;
}

/* A bundle without a folder beside it is read once and kept by libcurl; with one, every connection
 * reads it anew, 40 ms in which the thread does nothing else. */
static bool set_authorities(CURL *curl, const char *ca_file)
{
    const char *bundle = ca_file;
    if (!ca_file || !*ca_file)
        (void)curl_easy_getinfo(curl, CURLINFO_CAINFO, &bundle);
    if (!bundle || !*bundle || access(bundle, R_OK) != 0)
        return !ca_file || !*ca_file;
    return curl_easy_setopt(curl, CURLOPT_CAINFO, bundle) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
}

enum status transfer_create(const struct transfer_options *options, void *user,
                            struct transfer **ret_transfer, struct error *error)
{
    enum status status = STATUS_OK;
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer) {
        transfer->options = *options;
        transfer->options.ca_file = transfer->options.proxy = NULL;
        transfer->owner = user;
        transfer->curl = curl_easy_init();
        transfer->headers = curl_slist_append(NULL, "Accept: image/*");
    }
    if (!transfer || !transfer->curl || !transfer->headers)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for a transfer");
    else if (!set_callbacks(transfer) ||
             !set_protocol(transfer->curl, transfer->headers, options) ||
             !set_proxy(transfer->curl, options->proxy) ||
             !set_authorities(transfer->curl, options->ca_file))
        status = error_set(error, STATUS_INTERNAL, "this libcurl cannot fetch safely");
    if (status == STATUS_OK)
        *ret_transfer = transfer;
    else
        transfer_destroy(transfer);
    return status;
}

void transfer_destroy(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->curl);
    curl_slist_free_all(transfer->headers);
    blob_release(transfer->blob);
    free(transfer);
}

void *transfer_handle(struct transfer *transfer)
{
    return transfer->curl;
}

void *transfer_user(void *handle)
{
    struct transfer *transfer = NULL;
    (void)curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&transfer);
    return transfer->owner;
}

enum status transfer_begin(struct transfer *transfer, const struct url *url, uint64_t timeout_us,
                           bool (*is_wanted)(void *user), void *user, struct error *error)
{
    transfer->is_wanted = is_wanted;
    transfer->user = user;
    transfer->problem = (struct problem){.code = PROBLEM_NONE};
    transfer->refused_addresses = transfer->opened_sockets = 0;
    transfer->header_bytes = transfer->discarded_bytes = 0;
    transfer->is_sniffed = false;
    transfer->why[0] = 0;
    if (curl_easy_setopt(transfer->curl, CURLOPT_URL, url->text) != CURLE_OK ||
        curl_easy_setopt(transfer->curl, CURLOPT_TIMEOUT_MS, to_ms(timeout_us)) != CURLE_OK)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a transfer");
    return STATUS_OK;
}

static enum problem_code classify(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return PROBLEM_FETCH_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return PROBLEM_FETCH_TOO_LARGE;
    case CURLE_OUT_OF_MEMORY:
        return PROBLEM_OVERLOADED;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_PEER_FAILED_VERIFICATION:
        return PROBLEM_FETCH_TLS;
    default:
        return PROBLEM_FETCH_FAILED;
    }
}

/* Libcurl calls a line of a header that is over its limit a lack of memory. */
static bool has_begun_to_answer(CURL *curl)
{
    curl_off_t first_byte_us = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    return first_byte_us > 0;
}

static void explain(struct transfer *transfer, CURLcode code)
{
    char why[CURL_ERROR_SIZE];
    copy_text(*transfer->why ? transfer->why : curl_easy_strerror(code), why, sizeof why);
    /* To libcurl, a socket that it was not given is a connection that failed. */
    if (transfer->refused_addresses > 0 && transfer->opened_sockets == 0)
        refuse_address(transfer);
    else if (code == CURLE_FILESIZE_EXCEEDED)
        refuse_size(transfer);
    else if (code == CURLE_COULDNT_RESOLVE_HOST) /* which one, the detail begins with */
        problem_set(&transfer->problem, classify(code), "%s", curl_easy_strerror(code));
    else if (code == CURLE_OUT_OF_MEMORY && has_begun_to_answer(transfer->curl))
        problem_set(&transfer->problem, PROBLEM_FETCH_FAILED,
                    "the server sent a header that is too long");
    else
        problem_set(&transfer->problem, classify(code), "%s", why);
}

static bool is_redirect(long answer)
{
    return answer == 301 || answer == 302 || answer == 303 || answer == 307 || answer == 308;
}

/* The Location of the last answer; NULL: none. Libcurl's own REDIRECT_URL is not there when a long
 * body was broken off. */
static const char *find_location(CURL *curl)
{
    struct curl_header *header = NULL;
    return curl_easy_header(curl, "Location", 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

static char *take_redirect(struct transfer *transfer, const char *location)
{
    char *base = NULL, *target = NULL;
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_EFFECTIVE_URL, &base);
    if (base && strnlen(location, URL_MAX_BYTES + 1) <= URL_MAX_BYTES)
        target = url_resolve(base, location);
    if (!target)
        problem_set(&transfer->problem, PROBLEM_FETCH_FAILED,
                    "the server redirects to something that is not a URL");
    return target;
}

static void judge(struct transfer *transfer, CURLcode code, struct transfer_result *result)
{
    long answer = answered_code(transfer->curl);
    const char *location = is_redirect(answer) ? find_location(transfer->curl) : NULL;
    /* Whatever became of the rest. */
    bool is_refusal = answer > 200;
    if (transfer->problem.code != PROBLEM_NONE)
        return;
    if (location)
        result->redirect = take_redirect(transfer, location);
    else if (is_refusal && (!is_redirect(answer) || code == CURLE_OK))
        problem_set(&transfer->problem, PROBLEM_FETCH_STATUS, "the server answered %ld%s", answer,
                    is_redirect(answer) ? " without saying where to" : "");
    else if (code != CURLE_OK)
        explain(transfer, code);
    else if (transfer->blob || make_blob(transfer))
        (void)sniff(transfer, true);
}

void transfer_finish(struct transfer *transfer, int code, struct transfer_result *ret_result)
{
    *ret_result = (struct transfer_result){.blob = NULL};
    judge(transfer, (CURLcode)code, ret_result);
    ret_result->problem = transfer->problem;
    if (transfer->problem.code == PROBLEM_NONE && !ret_result->redirect) {
        ret_result->blob = transfer->blob;
        transfer->blob = NULL;
    }
    blob_release(transfer->blob);
    transfer->blob = NULL;
}
