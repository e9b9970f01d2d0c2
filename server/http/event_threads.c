#include "server/http/event_threads.h"

#include <stdlib.h>

#include "server/http/event_thread.h"

struct event_threads {
    unsigned count, next;
    struct event_thread *threads[]; /* [count] */
};

enum status event_threads_create(struct http_context *context, struct event_threads **ret_threads,
                                 struct error *error)
{
    unsigned count = context->options.event_threads;
    struct event_threads *event_threads =
        calloc(1, sizeof *event_threads + count * sizeof *event_threads->threads);
    if (!event_threads)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the event threads");
    for (; event_threads->count < count; event_threads->count++) {
        enum status status =
            event_thread_create(context, &event_threads->threads[event_threads->count], error);
        if (status) {
            event_threads_destroy(event_threads);
            return status;
        }
    }
    *ret_threads = event_threads;
    return STATUS_OK;
}

bool event_threads_add(struct event_threads *event_threads, struct connection *connection, int fd,
                       const struct sockaddr *address, socklen_t size)
{
    struct event_thread *thread = event_threads->threads[event_threads->next];
    event_threads->next = (event_threads->next + 1) % event_threads->count;
    return event_thread_add(thread, connection, fd, address, size);
}

void event_threads_destroy(struct event_threads *event_threads)
{
    if (!event_threads)
        return;
    for (unsigned i = 0; i < event_threads->count; i++)
        event_thread_destroy(event_threads->threads[i]);
    free(event_threads);
}
