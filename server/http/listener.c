#include "server/http/listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "model/base/clock.h"

enum {
    ACCEPTS_A_TURN = 64,     /* from one socket before the others have their turn */
    NO_DESCRIPTORS_MS = 100, /* until accepting is tried again: nothing tells of a free one */
    LAST_HANDSHAKES_MS = 50, /* those begun when the listener stops; a local one takes none */
    MAX_EVENTS = LISTENER_BIND_MAX_SOCKETS + 1
};

struct listener {
    struct listener_sockets sockets;
    listener_accepted_function *accepted;
    void *user;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping;
};

/* Where new ones cannot be refused, or descriptors do not come free, it ends all the same. */
#define LAST_ACCEPTS_US UINT64_C(2000000)

enum outcome { ACCEPTED, NOTHING_LEFT, NO_DESCRIPTORS };

static enum outcome accept_one(struct listener *listener, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int accepted = accept4(fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
        if (errno == EAGAIN)
            return NOTHING_LEFT;
        /* Any other error is of one connection, which is gone. */
        return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
                   ? NO_DESCRIPTORS
                   : ACCEPTED;
    }
    int one = 1;
    (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    listener->accepted(listener->user, accepted, (struct sockaddr *)&address, size);
    return ACCEPTED;
}

static enum outcome accept_some(struct listener *listener, int fd)
{
    enum outcome outcome = ACCEPTED;
    for (int i = 0; i < ACCEPTS_A_TURN && outcome == ACCEPTED; i++)
        outcome = accept_one(listener, fd);
    return outcome;
}

static bool watch(struct listener *listener, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(listener->epoll_fd, operation, fd, &event) == 0;
}

static void watch_all(struct listener *listener, uint32_t events)
{
    for (size_t i = 0; i < listener->sockets.count; i++)
        (void)watch(listener, EPOLL_CTL_MOD, listener->sockets.fds[i], events);
}

/* Drops what begins a connection (TCP flags SYN without ACK), and nothing else. */
static void refuse_new(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    /* Where it is not allowed, a connection made in the last moment is reset. */
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* Waits for connections and accepts some; how many sockets had any. `*is_short` of descriptors: the
 * sockets were not watched, and are not when it returns. */
static int take_turn(struct listener *listener, int timeout_ms, bool *is_short)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(listener->epoll_fd, events, MAX_EVENTS,
                           *is_short ? NO_DESCRIPTORS_MS : timeout_ms);
    if (*is_short)
        watch_all(listener, EPOLLIN);
    *is_short = false;
    for (int i = 0; i < count; i++)
        if (events[i].data.fd != listener->wake_fd &&
            accept_some(listener, events[i].data.fd) == NO_DESCRIPTORS)
            *is_short = true;
    if (*is_short)
        watch_all(listener, 0);
    return count;
}

static void accept_last(struct listener *listener, bool is_short)
{
    for (size_t i = 0; i < listener->sockets.count; i++)
        refuse_new(listener->sockets.fds[i]);
    (void)epoll_ctl(listener->epoll_fd, EPOLL_CTL_DEL, listener->wake_fd, NULL);
    uint64_t end_us = clock_now_us() + LAST_ACCEPTS_US;
    bool has_more = true;
    while (has_more && clock_now_us() < end_us) {
        bool was_short = is_short;
        has_more = take_turn(listener, LAST_HANDSHAKES_MS, &is_short) > 0 || was_short;
    }
}

static void *run(void *user)
{
    struct listener *listener = user;
    bool is_short = false;
    while (!atomic_load(&listener->is_stopping))
        (void)take_turn(listener, -1, &is_short);
    accept_last(listener, is_short);
    return NULL;
}

static enum status start(struct listener *listener, struct error *error)
{
    listener->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool is_watched = listener->epoll_fd >= 0 && listener->wake_fd >= 0 &&
                      watch(listener, EPOLL_CTL_ADD, listener->wake_fd, EPOLLIN);
    for (size_t i = 0; i < listener->sockets.count && is_watched; i++)
        is_watched = watch(listener, EPOLL_CTL_ADD, listener->sockets.fds[i], EPOLLIN);
    if (!is_watched)
        return error_set(error, STATUS_IO, "cannot watch the listening sockets: %s",
                         strerror(errno));
    if (pthread_create(&listener->thread, NULL, run, listener))
        return error_set(error, STATUS_NO_MEMORY, "cannot start the thread that accepts");
    listener->has_thread = true;
    return STATUS_OK;
}

enum status listener_create(struct listener_sockets *sockets, listener_accepted_function *accepted,
                            void *user, struct listener **ret_listener, struct error *error)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        listener_bind_close(sockets);
        return error_set(error, STATUS_NO_MEMORY, "no memory for the listener");
    }
    listener->sockets = *sockets;
    sockets->count = 0;
    listener->accepted = accepted;
    listener->user = user;
    listener->epoll_fd = listener->wake_fd = -1;
    enum status status = start(listener, error);
    if (status) {
        listener_destroy(listener);
        return status;
    }
    *ret_listener = listener;
    return STATUS_OK;
}

void listener_stop(struct listener *listener)
{
    if (listener->has_thread) {
        atomic_store(&listener->is_stopping, true);
        (void)eventfd_write(listener->wake_fd, 1); /* nobody else does: it is never full */
        pthread_join(listener->thread, NULL);
        listener->has_thread = false;
    }
    listener_bind_close(&listener->sockets);
}

void listener_destroy(struct listener *listener)
{
    if (!listener)
        return;
    listener_stop(listener);
    if (listener->wake_fd >= 0)
        (void)close(listener->wake_fd);
    if (listener->epoll_fd >= 0)
        (void)close(listener->epoll_fd);
    free(listener);
}
