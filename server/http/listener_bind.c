#include "server/http/listener_bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As many as the kernel allows (net.core.somaxconn). */
enum { BACKLOG = 4096, PORT_ATTEMPTS = 16 };

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    };
    socklen_t size;
    bool is_dual;     /* IPv6 that takes IPv4, too */
    bool is_optional; /* need not exist here */
};

struct address_list {
    size_t count;
    struct address addresses[LISTENER_BIND_MAX_SOCKETS];
};

static struct address *append(struct address_list *list)
{
    return &list->addresses[list->count++];
}

static void append_four(struct address_list *list, in_addr_t address)
{
    struct address *entry = append(list);
    entry->four = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    entry->size = sizeof entry->four;
}

static void append_six(struct address_list *list, const struct in6_addr *address, bool is_dual)
{
    struct address *entry = append(list);
    entry->six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *address};
    entry->size = sizeof entry->six;
    entry->is_dual = is_dual;
    entry->is_optional = true;
}

static bool has_address(const struct address_list *list, const struct addrinfo *found)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->addresses[i].size == found->ai_addrlen &&
            memcmp(&list->addresses[i].any, found->ai_addr, found->ai_addrlen) == 0)
            return true;
    return false;
}

static enum status resolve(const char *host, struct address_list *ret_list, struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, NULL, &hints, &found);
    if (code)
        return error_set(error, STATUS_IO, "cannot listen on %s: %s", host,
                         code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        if (ret_list->count == LISTENER_BIND_MAX_SOCKETS || has_address(ret_list, at) ||
            at->ai_addrlen > sizeof(struct sockaddr_in6))
            continue;
        struct address *entry = append(ret_list);
        memcpy(&entry->any, at->ai_addr, at->ai_addrlen);
        entry->size = at->ai_addrlen;
    }
    freeaddrinfo(found);
    return STATUS_OK;
}

static enum status list_addresses(const char *host, struct address_list *ret_list,
                                  struct error *error)
{
    if (strcmp(host, "localhost") == 0) {
        append_four(ret_list, INADDR_LOOPBACK);
        append_six(ret_list, &in6addr_loopback, false);
    } else if (strcmp(host, "") == 0 || strcmp(host, "*") == 0) {
        append_six(ret_list, &in6addr_any, true);
        append_four(ret_list, INADDR_ANY);
    } else {
        return resolve(host, ret_list, error);
    }
    return STATUS_OK;
}

static void set_port(struct address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        address->four.sin_port = htons(port);
    else
        address->six.sin6_port = htons(port);
}

/* Listens on one address; negative: errno says why not. */
static int open_socket(const struct address *address)
{
    int family = address->any.sa_family, one = 1, six_only = !address->is_dual;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &six_only, sizeof six_only);
    if (bind(fd, &address->any, address->size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = errno;
    (void)close(fd);
    errno = code;
    return -1;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, &bound.any, &size))
        return 0;
    return ntohs(bound.any.sa_family == AF_INET ? bound.four.sin_port : bound.six.sin6_port);
}

static void format_url(const struct address *address, uint16_t port, size_t size, char *ret_url)
{
    char text[INET6_ADDRSTRLEN] = "127.0.0.1"; /* of every address: one that can be opened */
    if (address->any.sa_family == AF_INET && address->four.sin_addr.s_addr != htonl(INADDR_ANY))
        (void)inet_ntop(AF_INET, &address->four.sin_addr, text, sizeof text);
    bool is_six =
        address->any.sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&address->six.sin6_addr);
    if (is_six)
        (void)inet_ntop(AF_INET6, &address->six.sin6_addr, text, sizeof text);
    (void)snprintf(ret_url, size, is_six ? "http://[%s]:%u" : "http://%s:%u", text, port);
}

static bool is_absent(const struct address *address, int code)
{
    return address->is_optional && (code == EAFNOSUPPORT || code == EADDRNOTAVAIL);
}

/* Opens all with one port; 0 or an errno. */
static int open_all(struct address_list *list, uint16_t port, struct listener_sockets *sockets)
{
    for (size_t i = 0; i < list->count; i++) {
        struct address *address = &list->addresses[i];
        set_port(address, port);
        int fd = open_socket(address);
        if (fd < 0 && is_absent(address, errno))
            continue;
        if (fd < 0)
            return errno;
        sockets->fds[sockets->count++] = fd;
        port = port_of(fd);
        if (sockets->count == 1)
            format_url(address, port, sizeof sockets->url, sockets->url);
        if (address->is_dual)
            break;
    }
    return sockets->count > 0 ? 0 : EADDRNOTAVAIL;
}

/* What a person can do about it. */
static const char *way_out(int code)
{
    return code == EADDRINUSE ? "; --port takes another (make run PORT=9000)" : "";
}

enum status listener_bind(const char *host, uint16_t port, struct listener_sockets *ret_sockets,
                          struct error *error)
{
    struct address_list list = {0};
    enum status status = list_addresses(host, &list, error);
    if (status)
        return status;
    int code = EADDRINUSE;
    /* A port that is free on one address may be taken on the next: then another is tried. */
    for (int i = 0; i < PORT_ATTEMPTS && code == EADDRINUSE && (i == 0 || port == 0); i++) {
        struct listener_sockets sockets = {0};
        code = open_all(&list, port, &sockets);
        if (code == 0) {
            *ret_sockets = sockets;
            return STATUS_OK;
        }
        listener_bind_close(&sockets);
    }
    return error_set(error, STATUS_IO, "cannot listen on %s port %u: %s%s",
                     *host ? host : "every address", port, strerror(code), way_out(code));
}

void listener_bind_close(struct listener_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        (void)close(sockets->fds[i]);
    sockets->count = 0;
}
