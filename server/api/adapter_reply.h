/* Answers as adapters make them: documents, texts, problems. */
#ifndef CLASSIFYD_SERVER_API_ADAPTER_REPLY_H
#define CLASSIFYD_SERVER_API_ADAPTER_REPLY_H

#include "model/base/json_doc.h"
#include "server/api/adapter.h"

/* Each fills `ret_reply` whole; without memory it becomes a constant 500. Any thread. */

/* The document on one line with its end; `doc` is taken, NULL (no memory) is accepted. */
void adapter_reply_document(struct json_doc *doc, unsigned http_status, const char *content_type,
                            struct adapter_reply *ret_reply);

/* application/problem+json of RFC 9457: {"type", "title", "status", "code", "detail",
 * "request_id"}. */
void adapter_reply_problem(const struct adapter_request *request, const struct problem *problem,
                           struct adapter_reply *ret_reply);

/* `text` is taken, free(); NULL (no memory) is accepted. */
void adapter_reply_text(char *text, unsigned http_status, const char *content_type,
                        struct adapter_reply *ret_reply);

/* Bytes that live as long as the program. */
void adapter_reply_constant(struct span bytes, unsigned http_status, const char *content_type,
                            struct adapter_reply *ret_reply);

#endif
