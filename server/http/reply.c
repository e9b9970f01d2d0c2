#include "server/http/reply.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_fields(struct MHD_Response *response, const struct adapter_reply *reply,
                       const struct reply_fields *fields)
{
    char seconds[16];
    (void)snprintf(seconds, sizeof seconds, "%u", reply->retry_after_s);
    const struct {
        bool is_there;
        const char *name, *value;
    } table[] = {
        {reply->content_type, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type},
        {true, MHD_HTTP_HEADER_CACHE_CONTROL,
         reply->cache_control ? reply->cache_control : "no-store"},
        {true, "X-Request-Id", fields->request_id},
        {true, "X-Content-Type-Options", "nosniff"},
        {*reply->server_timing, "Server-Timing", reply->server_timing},
        {reply->retry_after_s > 0, MHD_HTTP_HEADER_RETRY_AFTER, seconds},
        {fields->allow, MHD_HTTP_HEADER_ALLOW, fields->allow},
        {fields->closes_connection, MHD_HTTP_HEADER_CONNECTION, "close"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].is_there && !add(response, table[i].name, table[i].value))
            return false;
    return true;
}

bool reply_send(struct MHD_Connection *connection, struct adapter_reply *reply,
                const struct reply_fields *fields)
{
    struct MHD_Response *response =
        reply->text
            ? MHD_create_response_from_buffer(reply->size, reply->text, MHD_RESPMEM_MUST_FREE)
            /* Never written to. */
            : MHD_create_response_from_buffer(reply->constant ? reply->size : 0,
                                              (void *)(uintptr_t)reply->constant,
                                              MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(reply->text);
        reply->text = NULL;
        return false;
    }
    reply->text = NULL;
    bool is_sent = add_fields(response, reply, fields) &&
                   MHD_queue_response(connection, reply->http_status, response) == MHD_YES;
    MHD_destroy_response(response);
    return is_sent;
}
