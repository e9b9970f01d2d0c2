/* What became of a request's images, as documents. */
#ifndef CLASSIFYD_SERVER_API_NATIVE_DOCUMENT_H
#define CLASSIFYD_SERVER_API_NATIVE_DOCUMENT_H

#include "server/api/adapter.h"

/* The answer of one finished item: its document, or its problem with that problem's status. */
void native_document_one(const struct adapter_request *request, const struct item *item,
                         struct adapter_reply *ret_reply);

/* {"results": [...], "request_id"} of finished items in order, each its document or {"file" or
 * "url", "error": {"code", "status", "title", "detail"}}; always 200. */
void native_document_list(const struct adapter_request *request, struct item *const *items,
                          size_t count, struct adapter_reply *ret_reply);

#endif
