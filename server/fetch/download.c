/* Owns the conversation with the server. The file on disk is part_file's. */
#include "server/fetch/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "server/fetch/part_file.h"

enum { MAX_REDIRECTS = 5, STALL_BYTES_PER_SECOND = 64 };

/* One request. */
struct transfer {
    const struct download_options *options;
    struct part_file *part;
    CURL *curl;
    uint64_t first;       /* the byte that was asked for */
    bool has_range;       /* the answer said which bytes it brings: */
    uint64_t range_first; /* the first of them */
    uint64_t total_bytes; /* of the whole file; 0 unknown */
    bool has_begun;
    bool is_refused;    /* the server does not give that range: ask for all */
    enum status status; /* of our own side */
    struct error *error;
    char why[CURL_ERROR_SIZE];
};

/* " bytes 100-199/200" */
static void read_content_range(struct transfer *transfer, const char *value)
{
    static const char unit[] = "bytes ";
    value += strspn(value, " \t");
    if (strncasecmp(value, unit, strlen(unit)) != 0)
        return;
    char *end;
    transfer->range_first = strtoull(value + strlen(unit), &end, 10);
    transfer->has_range = *end == '-';
}

/* Called once a header line, of each answer on the way. */
static size_t take_header(char *line, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    static const char name[] = "content-range:";
    size_t bytes = size * count;
    if (bytes > 5 && memcmp(line, "HTTP/", 5) == 0)
        transfer->has_range = false;
    char text[128];
    if (bytes < sizeof text && bytes > strlen(name) && strncasecmp(line, name, strlen(name)) == 0) {
        memcpy(text, line, bytes);
        text[bytes] = 0;
        read_content_range(transfer, text + strlen(name));
    }
    return bytes;
}

/* Looks at the answer before its first byte is kept. */
static enum status begin(struct transfer *transfer)
{
    long code = 0;
    curl_off_t length = -1;
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (code != 200 && code != 206)
        return error_set(transfer->error, STATUS_FETCH_FAILED, "%s: the server answered %ld",
                         transfer->options->url, code);
    if (code == 206 && !(transfer->has_range && transfer->range_first == transfer->first)) {
        transfer->is_refused = true;
        return STATUS_FETCH_FAILED;
    }
    /* 200 brings the whole file, also where a part of it was asked for. */
    if (code == 200 && transfer->part->bytes > 0) {
        enum status status = part_file_restart(transfer->part, transfer->error);
        if (status != STATUS_OK)
            return status;
    }
    if (length >= 0)
        transfer->total_bytes = transfer->part->bytes + (uint64_t)length;
    return STATUS_OK;
}

static enum status keep(struct transfer *transfer, struct span bytes)
{
    const struct download_options *options = transfer->options;
    enum status status = STATUS_OK;
    if (!transfer->has_begun)
        status = begin(transfer);
    transfer->has_begun = true;
    if (status != STATUS_OK)
        return status;
    uint64_t kept = transfer->part->bytes;
    if (transfer->total_bytes > options->max_bytes || kept > options->max_bytes ||
        bytes.size > options->max_bytes - kept)
        return error_set(transfer->error, STATUS_TOO_LARGE,
                         "%s: larger than the %" PRIu64 " bytes that were expected at most",
                         options->url, options->max_bytes);
    status = part_file_append(transfer->part, bytes, transfer->error);
    if (status == STATUS_OK && options->progress)
        options->progress(options->user, transfer->part->bytes, transfer->total_bytes);
    return status;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    struct span bytes = {(const uint8_t *)data, size * count};
    transfer->status = keep(transfer, bytes);
    return transfer->status == STATUS_OK ? bytes.size : 0;
}

static long to_ms(uint64_t us)
{
    return us / 1000 < INT32_MAX ? (long)(us / 1000) : INT32_MAX;
}

/* Seconds, at least one. */
static long to_s(uint64_t us)
{
    return to_ms(us) / 1000 > 0 ? to_ms(us) / 1000 : 1;
}

/* False where this libcurl lacks one of the options: going on without would be unsafe. */
static bool set_up(struct transfer *transfer)
{
    CURL *curl = transfer->curl;
    const struct download_options *options = transfer->options;
    char range[32];
    bool is_set =
        curl_easy_setopt(curl, CURLOPT_URL, options->url) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "classifyd") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->why) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, to_ms(options->connect_timeout_us)) ==
            CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_SECOND) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, to_s(options->stall_timeout_us)) ==
            CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    if (is_set && options->ca_file)
        is_set = curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file) == CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (is_set && transfer->first > 0) {
        (void)snprintf(range, sizeof range, "%" PRIu64 "-", transfer->first);
        is_set = curl_easy_setopt(curl, CURLOPT_RANGE, range) == CURLE_OK;
    }
    return is_set;
}

/* What curl says about a transfer that failed, in our words where they are clearer. */
static enum status explain(const struct transfer *transfer, CURLcode code)
{
    const char *url = transfer->options->url;
    const char *why = *transfer->why ? transfer->why : curl_easy_strerror(code);
    long answer = 0;
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &answer);
    if (transfer->status != STATUS_OK)
        return transfer->status;
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return error_set(transfer->error, STATUS_FETCH_FAILED, "%s: the server answered %ld", url,
                         answer);
    if (code == CURLE_UNSUPPORTED_PROTOCOL)
        return error_set(transfer->error, STATUS_FETCH_FAILED,
                         "%s: only https is fetched, also after a redirect", url);
    enum status status = code == CURLE_OPERATION_TIMEDOUT ? STATUS_TIMEOUT : STATUS_FETCH_FAILED;
    if (transfer->part->bytes == 0)
        return error_set(transfer->error, status, "%s: %s", url, why);
    return error_set(transfer->error, status,
                     "%s: %s; %" PRIu64 " bytes are kept, the next attempt goes on from there", url,
                     why, transfer->part->bytes);
}

/* Asks for what the part lacks. Sets `ret_is_refused` where the server does not give that. */
static enum status request(const struct download_options *options, struct part_file *part,
                           bool *ret_is_refused, struct error *error)
{
    struct transfer transfer = {
        .options = options, .part = part, .first = part->bytes, .error = error};
    transfer.curl = curl_easy_init();
    if (!transfer.curl)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a transfer");
    enum status status = STATUS_OK;
    if (set_up(&transfer)) {
        CURLcode code = curl_easy_perform(transfer.curl);
        long answer = 0;
        (void)curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &answer);
        bool is_refused = transfer.is_refused || (code == CURLE_HTTP_RETURNED_ERROR &&
                                                  answer == 416 && transfer.first > 0);
        if (code != CURLE_OK && !is_refused)
            status = explain(&transfer, code);
        *ret_is_refused = is_refused;
    } else {
        status = error_set(error, STATUS_INTERNAL, "this libcurl cannot fetch over HTTPS safely");
    }
    curl_easy_cleanup(transfer.curl);
    return status;
}

static bool is_wanted(const struct download_options *options, const char *sha256)
{
    return strncmp(sha256, options->sha256_prefix, strlen(options->sha256_prefix)) == 0;
}

/* Whether the right file is at the path. A missing or wrong one is no failure. */
static enum status look(const struct download_options *options, bool *ret_is_there,
                        struct download_result *result, struct error *error)
{
    int fd = open(options->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *ret_is_there = false;
        return errno == ENOENT || errno == ENOTDIR
                   ? STATUS_OK
                   : error_set(error, STATUS_IO, "%s: %s", options->path, strerror(errno));
    }
    struct checksum *checksum = NULL;
    enum status status = checksum_create(&checksum, error);
    if (status == STATUS_OK)
        status = checksum_update_from_file(checksum, fd, options->path, error);
    if (status == STATUS_OK)
        status = checksum_format(checksum, result->sha256, error);
    if (status == STATUS_OK) {
        off_t end = lseek(fd, 0, SEEK_END);
        result->bytes = end > 0 ? (uint64_t)end : 0;
        result->was_there = *ret_is_there = is_wanted(options, result->sha256);
    }
    checksum_destroy(checksum);
    close(fd);
    return status;
}

/* One request and the checksum of what is there then. `ret_is_whole`: it is the wanted one. A
 * resumed file that has come out wrong, or cannot be resumed, is emptied: to be asked for again. */
static enum status request_and_check(const struct download_options *options, struct part_file *part,
                                     bool *ret_is_whole, struct download_result *result,
                                     struct error *error)
{
    bool is_refused = false;
    enum status status = request(options, part, &is_refused, error);
    if (status == STATUS_OK)
        status = checksum_format(part->checksum, result->sha256, error);
    if (status != STATUS_OK)
        return status;
    *ret_is_whole = !is_refused && is_wanted(options, result->sha256);
    if (*ret_is_whole)
        return STATUS_OK;
    /* What was there may have belonged to another file. */
    if (part->resumed_bytes > 0)
        return part_file_restart(part, error);
    part_file_discard(part);
    if (is_refused)
        return error_set(error, STATUS_FETCH_FAILED, "%s: the server sent a range of bytes unasked",
                         options->url);
    return error_set(error, STATUS_FETCH_FAILED,
                     "%s: SHA-256 is %s and should begin with %s; deleted", options->url,
                     result->sha256, options->sha256_prefix);
}

/* Fetches until the part has the right hash; it may have it already. */
static enum status complete(const struct download_options *options, struct part_file *part,
                            struct download_result *result, struct error *error)
{
    enum status status = checksum_format(part->checksum, result->sha256, error);
    bool is_whole = status == STATUS_OK && is_wanted(options, result->sha256);
    while (status == STATUS_OK && !is_whole)
        status = request_and_check(options, part, &is_whole, result, error);
    if (status == STATUS_TOO_LARGE)
        part_file_discard(part);
    return status;
}

struct lock_user {
    const struct download_options *options;
    bool has_waited;
};

static void note_waiting(void *user)
{
    struct lock_user *lock = user;
    lock->has_waited = true;
    if (lock->options->waiting)
        lock->options->waiting(lock->options->user);
}

static enum status fetch(const struct download_options *options, struct download_result *result,
                         struct error *error)
{
    struct part_file part = {.fd = -1};
    struct lock_user lock = {.options = options};
    bool is_there = false;
    enum status status = part_file_init(options->path, note_waiting, &lock, &part, error);
    if (status == STATUS_OK && lock.has_waited)
        status = look(options, &is_there, result, error);
    if (status != STATUS_OK || is_there) {
        part_file_fini(&part);
        return status;
    }
    status = complete(options, &part, result, error);
    if (status == STATUS_OK)
        status = part_file_commit(&part, error);
    result->bytes = part.bytes;
    result->resumed_bytes = part.resumed_bytes;
    part_file_fini(&part);
    return status;
}

enum status download_run(const struct download_options *options, struct download_result *ret_result,
                         struct error *error)
{
    struct download_result result = {0};
    bool is_there = false;
    enum status status = look(options, &is_there, &result, error);
    if (status == STATUS_OK && !is_there) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            return error_set(error, STATUS_INTERNAL, "libcurl could not be started");
        status = fetch(options, &result, error);
        curl_global_cleanup();
    }
    if (status == STATUS_OK)
        *ret_result = result;
    return status;
}
