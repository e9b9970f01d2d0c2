#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/notify.h"

/* A manager's socket, of a path in a folder of its own or of an abstract name. */
struct manager {
    char folder[64];
    char name[96]; /* as in NOTIFY_SOCKET */
    int fd;
};

static void listen_on(struct manager *manager, bool is_abstract)
{
    strcpy(manager->folder, "/tmp/classifyd-notify-XXXXXX");
    assert_non_null(mkdtemp(manager->folder));
    snprintf(manager->name, sizeof manager->name, "%s%s/socket", is_abstract ? "@" : "",
             manager->folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, manager->name, strlen(manager->name));
    if (is_abstract)
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(manager->name));
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(manager->fd >= 0);
    assert_int_equal(bind(manager->fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", manager->name, 1), 0);
}

static void stop(struct manager *manager)
{
    close(manager->fd);
    (void)unlink(manager->name);
    (void)rmdir(manager->folder);
    unsetenv("NOTIFY_SOCKET");
}

static const char *receive(const struct manager *manager)
{
    static char text[256];
    struct pollfd waiting = {manager->fd, POLLIN, 0};
    assert_int_equal(poll(&waiting, 1, 10000), 1);
    ssize_t got = recv(manager->fd, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(got >= 0);
    text[got] = '\0';
    return text;
}

static bool is_silent(const struct manager *manager)
{
    struct pollfd waiting = {manager->fd, POLLIN, 0};
    return poll(&waiting, 1, 0) == 0;
}

static void a_state_arrives_as_one_datagram(void **state)
{
    (void)state;
    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        struct manager manager;
        listen_on(&manager, is_abstract);
        assert_true(notify_send("READY=1\nSTATUS=Serving"));
        assert_true(notify_send("STOPPING=1"));
        assert_string_equal(receive(&manager), "READY=1\nSTATUS=Serving");
        assert_string_equal(receive(&manager), "STOPPING=1");
        assert_true(is_silent(&manager));
        stop(&manager);
    }
}

/* Debian's systemd-notify says the same to the same socket. */
static void it_says_what_systemd_notify_says(void **state)
{
    (void)state;
    if (system("command -v systemd-notify >/dev/null"))
        skip();
    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        struct manager manager;
        listen_on(&manager, is_abstract);
        assert_int_equal(system("systemd-notify --no-block --ready --status=hello"), 0);
        char theirs[256];
        strcpy(theirs, receive(&manager));
        assert_true(is_silent(&manager));
        assert_non_null(strstr(theirs, "READY=1"));
        assert_true(notify_send("READY=1\nSTATUS=hello"));
        assert_string_equal(receive(&manager), theirs);
        stop(&manager);
    }
}

static void nothing_happens_without_a_manager(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_true(notify_send("READY=1"));
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    assert_true(notify_send("READY=1"));
}

static void a_manager_that_cannot_be_told_is_told_of(void **state)
{
    (void)state;
    char long_name[200] = "@";
    memset(long_name + 1, 'x', sizeof long_name - 2);
    long_name[sizeof long_name - 1] = '\0';
    const struct {
        const char *name;
        int cause;
    } cases[] = {{"/nonexistent/socket", ENOENT},
                 {"@classifyd-test-nobody-listens", ECONNREFUSED},
                 {"relative", EAFNOSUPPORT},
                 {"vsock:2:1234", EAFNOSUPPORT},
                 {long_name, ENAMETOOLONG}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", cases[i].name, 1), 0);
        errno = 0;
        assert_false(notify_send("READY=1"));
        assert_int_equal(errno, cases[i].cause);
    }
    unsetenv("NOTIFY_SOCKET");
}

static void a_manager_that_does_not_read_holds_nobody_up(void **state)
{
    (void)state;
    struct manager manager;
    listen_on(&manager, false);
    int sent = 0;
    while (sent < 100000 && notify_send("WATCHDOG=1"))
        sent++;
    assert_int_equal(errno, EAGAIN);
    assert_in_range(sent, 1, 99999);
    stop(&manager);
}

static void check_watchdog(const char *usec, const char *pid, uint64_t expected_us)
{
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (usec)
        assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
    if (pid)
        assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    assert_int_equal(notify_watchdog_us(), expected_us);
}

static void the_watchdog_is_for_this_process_only(void **state)
{
    (void)state;
    char own[32], other[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    snprintf(other, sizeof other, "%d", (int)getpid() + 1);
    check_watchdog(NULL, NULL, 0);
    check_watchdog(NULL, own, 0);
    check_watchdog("30000000", NULL, 30000000);
    check_watchdog("30000000", own, 30000000);
    check_watchdog("30000000", other, 0);
    check_watchdog("30000000", "", 0);
    static const char *const broken[] = {"", "0", "-5", "12s", " 12", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        check_watchdog(broken[i], own, 0);
    check_watchdog(NULL, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_arrives_as_one_datagram),
        cmocka_unit_test(it_says_what_systemd_notify_says),
        cmocka_unit_test(nothing_happens_without_a_manager),
        cmocka_unit_test(a_manager_that_cannot_be_told_is_told_of),
        cmocka_unit_test(a_manager_that_does_not_read_holds_nobody_up),
        cmocka_unit_test(the_watchdog_is_for_this_process_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
