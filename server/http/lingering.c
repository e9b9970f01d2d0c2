#include "server/http/lingering.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Long enough for a client to see its answer; a body that is still longer is not worth reading. */
#define LINGER_US        UINT64_C(3000000)
#define LINGER_BYTES     ((size_t)64 << 20)
#define BYTES_AN_EVENT   ((size_t)256 << 10)
#define READ_CHUNK_BYTES ((size_t)64 << 10)

struct lingering_socket {
    struct lingering_socket *next;
    int fd;
    uint64_t deadline_us;
    size_t bytes;
};

/* Whether the client has closed, or the connection is broken. */
static bool is_at_end(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

void lingering_add(struct lingering *lingering, int fd, int epoll_fd, uint64_t mark,
                   uint64_t now_us)
{
    if (is_at_end(fd))
        return;
    /* libmicrohttpd did where it could answer; it could not where it began a connection in vain. */
    (void)shutdown(fd, SHUT_WR);
    struct lingering_socket *socket = calloc(1, sizeof *socket);
    int copy = socket ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0)
        goto fail;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = mark | (uint32_t)copy};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, copy, &event))
        goto fail;
    socket->fd = copy;
    socket->deadline_us = now_us + LINGER_US;
    if (lingering->last)
        lingering->last->next = socket;
    else
        lingering->first = socket;
    lingering->last = socket;
    lingering->count++;
    return;
fail:
    if (copy >= 0)
        (void)close(copy);
    free(socket);
}

static void close_after(struct lingering *lingering, struct lingering_socket *previous)
{
    struct lingering_socket *socket = previous ? previous->next : lingering->first;
    if (previous)
        previous->next = socket->next;
    else
        lingering->first = socket->next;
    if (lingering->last == socket)
        lingering->last = previous;
    lingering->count--;
    (void)close(socket->fd);
    free(socket);
}

/* Throws away what has come; whether there may be more. */
static bool discard(struct lingering_socket *socket)
{
    char chunk[READ_CHUNK_BYTES];
    for (size_t now = 0; now < BYTES_AN_EVENT && socket->bytes < LINGER_BYTES;) {
        ssize_t got = recv(socket->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return false;
        now += (size_t)got;
        socket->bytes += (size_t)got;
    }
    return socket->bytes < LINGER_BYTES;
}

void lingering_read(struct lingering *lingering, int fd)
{
    struct lingering_socket *previous = NULL, *socket = lingering->first;
    while (socket && socket->fd != fd) {
        previous = socket;
        socket = socket->next;
    }
    if (socket && !discard(socket))
        close_after(lingering, previous);
}

uint64_t lingering_expire(struct lingering *lingering, uint64_t now_us)
{
    while (lingering->first && lingering->first->deadline_us <= now_us)
        close_after(lingering, NULL);
    return lingering->first ? lingering->first->deadline_us : UINT64_MAX;
}

void lingering_close_all(struct lingering *lingering)
{
    while (lingering->first)
        close_after(lingering, NULL);
}
