#include "server/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* `path`: an absolute path or @name. */
static bool parse_address(const char *path, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
    size_t length = strlen(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if ((*path != '/' && *path != '@') || length >= sizeof address.sun_path) {
        errno = *path == '/' || *path == '@' ? ENAMETOOLONG : EAFNOSUPPORT;
        return false;
    }
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* an abstract name ends with its length, not with a zero */
    *ret_address = address;
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*path == '/'));
    return true;
}

bool notify_send(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || !*path)
        return true;
    struct sockaddr_un address;
    socklen_t address_size;
    if (!parse_address(path, &address, &address_size))
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const struct timeval patience = {.tv_sec = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          address_size);
    int cause = errno;
    close(fd);
    errno = cause;
    return sent >= 0;
}

/* False where `text` is no whole number above 0. */
static bool parse_number(const char *text, uint64_t *ret_number)
{
    if (!text || *text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    uintmax_t number = strtoumax(text, &end, 10);
    if (errno || *end || number == 0)
        return false;
    *ret_number = number;
    return true;
}

uint64_t notify_watchdog_us(void)
{
    uint64_t watchdog_us, pid;
    if (!parse_number(getenv("WATCHDOG_USEC"), &watchdog_us))
        return 0;
    /* A child of ours inherits the environment, but not the duty. */
    const char *pid_text = getenv("WATCHDOG_PID");
    if (pid_text && (!parse_number(pid_text, &pid) || pid != (uint64_t)getpid()))
        return 0;
    return watchdog_us;
}
