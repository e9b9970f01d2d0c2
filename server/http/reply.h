/* An adapter's reply as an answer of libmicrohttpd. */
#ifndef CLASSIFYD_SERVER_HTTP_REPLY_H
#define CLASSIFYD_SERVER_HTTP_REPLY_H

#include "server/api/adapter.h"

struct MHD_Connection;

/* What goes beside an adapter's reply. */
struct reply_fields {
    const char *request_id;
    const char *allow;      /* NULL: no Allow */
    bool closes_connection; /* Connection: close */
};

/* Queues the reply, whose text is taken in any case. False where it could not be: the connection
 * has to be closed. By the event thread, from within the handler. */
bool reply_send(struct MHD_Connection *connection, struct adapter_reply *reply,
                const struct reply_fields *fields);

#endif
