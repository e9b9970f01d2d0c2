#include "server/http/request_head.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "model/base/clock.h"

static bool is_id(const char *text, size_t size)
{
    static const char taken[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return size >= 1 && size <= REQUEST_HEAD_MAX_ID && strspn(text, taken) == size;
}

static void make_id(char *ret_id)
{
    uint64_t words[2];
    if (getrandom(words, sizeof words, 0) != (ssize_t)sizeof words)
        words[0] = words[1] = clock_now_us(); /* only on kernels that have none */
    (void)snprintf(ret_id, REQUEST_HEAD_MAX_ID + 1, "%016llx%016llx", (unsigned long long)words[0],
                   (unsigned long long)words[1]);
}

struct count {
    struct request_head *head;
    unsigned lengths, encodings, hosts, types;
    const char *length, *encoding;
};

static enum MHD_Result count_field(void *user, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    (void)name_size;
    struct count *count = user;
    const char *text = value ? value : "";
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        count->lengths++;
        count->length = text;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        count->encodings++;
        count->encoding = text;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        count->hosts++;
        count->head->host = text;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0) {
        count->types++;
        count->head->content_type = text;
    } else if (strcasecmp(name, "X-Request-Id") == 0 && is_id(text, value_size)) {
        memcpy(count->head->id, text, value_size + 1);
    }
    return MHD_YES;
}

/* libmicrohttpd takes the first of two lengths, and ignores one beside an encoding: what it takes
 * for the next request would be this one's body to a proxy before us. */
static const char *find_framing_fault(const struct count *count, const char *version)
{
    if (count->lengths > 1)
        return "more than one Content-Length";
    if (count->lengths > 0 && count->encodings > 0)
        return "Content-Length beside Transfer-Encoding";
    if (count->encodings > 1 ||
        (count->encodings == 1 && strcasecmp(count->encoding, "chunked") != 0))
        return "a Transfer-Encoding other than chunked is not understood";
    if (count->encodings == 1 && strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return "Transfer-Encoding in an HTTP/1.0 request";
    return NULL;
}

void request_head_read(struct MHD_Connection *connection, const char *version,
                       struct request_head *ret_head, struct problem *ret_problem)
{
    struct request_head head = {0};
    struct count count = {.head = &head};
    (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, count_field, &count);
    if (!*head.id)
        make_id(head.id);
    const char *fault = find_framing_fault(&count, version);
    head.is_malformed = fault;
    if (!fault && count.hosts > 1)
        fault = "more than one Host";
    if (!fault && count.types > 1)
        fault = "more than one Content-Type";
    if (fault)
        problem_set(ret_problem, PROBLEM_BAD_REQUEST, "%s", fault);
    head.is_chunked = count.encodings > 0;
    /* libmicrohttpd has refused what is not a number. */
    head.body_bytes = count.length && !head.is_chunked ? strtoull(count.length, NULL, 10) : 0;
    head.has_body = head.is_chunked || head.body_bytes > 0;
    *ret_head = head;
}
