/* Sockets whose answer is complete but whose client may still be sending.
 *
 * close(2) with unread bytes resets a connection, and the reset can overtake the answer. So a copy
 * of the socket is kept, read and thrown away until the client closes, or for some seconds. */
#ifndef CLASSIFYD_SERVER_HTTP_LINGERING_H
#define CLASSIFYD_SERVER_HTTP_LINGERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lingering_socket;

/* Locking is the owner's. */
struct lingering {
    struct lingering_socket *first, *last; /* the oldest first */
    size_t count;
};

/* Shuts the sending side of `fd` down, keeps a copy of it and watches that with the epoll
 * `epoll_fd`, events carrying the number `mark | copy`. Does nothing where the client has closed
 * already, and where there is no descriptor or memory. Never blocks. */
void lingering_add(struct lingering *lingering, int fd, int epoll_fd, uint64_t mark,
                   uint64_t now_us);

/* An event of the copy `fd` came: reads some; closes it at its end. */
void lingering_read(struct lingering *lingering, int fd);

/* Closes the overdue; when the next will be, UINT64_MAX: never. */
uint64_t lingering_expire(struct lingering *lingering, uint64_t now_us);

void lingering_close_all(struct lingering *lingering);

#endif
