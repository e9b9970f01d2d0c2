#include "server/api/adapter_reply.h"

#include <stdlib.h>
#include <string.h>

#include "server/document.h"

#define PROBLEM_TYPE "application/problem+json"

static void fail(struct adapter_reply *ret_reply)
{
    static const char text[] =
        "{\"type\": \"about:blank\", \"title\": \"Internal Server Error\", \"status\": 500, "
        "\"code\": \"internal\", \"detail\": \"the answer could not be written: no memory\"}\n";
    *ret_reply = (struct adapter_reply){
        .http_status = 500,
        .content_type = PROBLEM_TYPE,
        .constant = text,
        .size = sizeof text - 1,
    };
}

void adapter_reply_text(char *text, unsigned http_status, const char *content_type,
                        struct adapter_reply *ret_reply)
{
    if (!text) {
        fail(ret_reply);
        return;
    }
    *ret_reply = (struct adapter_reply){
        .http_status = http_status,
        .content_type = content_type,
        .text = text,
        .size = strlen(text),
    };
}

void adapter_reply_constant(struct span bytes, unsigned http_status, const char *content_type,
                            struct adapter_reply *ret_reply)
{
    *ret_reply = (struct adapter_reply){
        .http_status = http_status,
        .content_type = content_type,
        .constant = (const char *)bytes.data,
        .size = bytes.size,
    };
}

void adapter_reply_document(struct json_doc *doc, unsigned http_status, const char *content_type,
                            struct adapter_reply *ret_reply)
{
    char *text = NULL;
    struct error error = {0};
    if (doc && json_doc_format(doc, false, &text, &error) == STATUS_OK) {
        /* A terminal's prompt belongs on a line of its own. */
        size_t length = strlen(text);
        char *line = realloc(text, length + 2);
        if (line)
            memcpy(line + length, "\n", 2);
        else
            free(text);
        text = line;
    }
    json_doc_destroy(doc);
    adapter_reply_text(text, http_status, content_type, ret_reply);
}

void adapter_reply_problem(const struct adapter_request *request, const struct problem *problem,
                           struct adapter_reply *ret_reply)
{
    const struct problem_kind *kind = problem_kind(problem->code);
    struct json_doc *doc = json_doc_create();
    if (doc) {
        struct json_node *root = json_doc_root(doc);
        json_node_put_string(doc, root, "type", "about:blank");
        json_node_put_string(doc, root, "title", kind->title);
        json_node_put_integer(doc, root, "status", kind->http_status);
        json_node_put_string(doc, root, "code", kind->name);
        document_put_text(doc, root, "detail", problem->detail);
        document_put_text(doc, root, "request_id", request->request_id);
    }
    adapter_reply_document(doc, kind->http_status, PROBLEM_TYPE, ret_reply);
    if (ret_reply->http_status == kind->http_status)
        ret_reply->retry_after_s = kind->retry_after_s;
}
