#include "server/commands/serving_watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/notify.h"

/* Those that end the service. */
static sigset_t ending_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    return set;
}

enum status serving_watch_init(struct serving_watch *watch, struct error *error)
{
    sigset_t set = ending_signals();
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    watch->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    watch->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    if (watch->signal_fd < 0 || watch->news_fd < 0)
        return error_set(error, STATUS_IO, "no descriptor for signals: %s", strerror(errno));
    return STATUS_OK;
}

void serving_watch_fini(struct serving_watch *watch)
{
    if (watch->news_fd >= 0)
        (void)close(watch->news_fd);
    if (watch->signal_fd >= 0)
        (void)close(watch->signal_fd);
}

void serving_watch_tell(const struct serving_watch *watch)
{
    (void)!write(watch->news_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* False where poll itself failed. */
static bool sleep_until(const struct serving_watch *watch, uint64_t now_us, uint64_t until_us)
{
    uint64_t wait_us = until_us - now_us, watchdog_us = notify_watchdog_us() / 2;
    if (watchdog_us > 0 && wait_us > watchdog_us)
        wait_us = watchdog_us;
    int wait_ms = wait_us / 1000 >= INT_MAX ? -1 : (int)(wait_us / 1000) + 1;
    struct pollfd fds[] = {{watch->signal_fd, POLLIN, 0}, {watch->news_fd, POLLIN, 0}};
    if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
        return false;
    if (watchdog_us > 0)
        notify_send("WATCHDOG=1");
    return true;
}

/* What has happened, without waiting. */
static enum serving_event take_event(const struct serving_watch *watch)
{
    uint64_t times;
    if (read(watch->news_fd, &times, sizeof times) == sizeof times)
        return SERVING_NEWS;
    struct signalfd_siginfo info;
    if (read(watch->signal_fd, &info, sizeof info) != sizeof info)
        return SERVING_NOTHING;
    switch (info.ssi_signo) {
    case SIGHUP:
        return SERVING_HANGUP;
    case SIGINT:
        return SERVING_INTERRUPT;
    default:
        return SERVING_TERMINATE;
    }
}

enum serving_event serving_watch_wait(const struct serving_watch *watch, uint64_t until_us)
{
    uint64_t now_us;
    while ((now_us = clock_now_us()) < until_us) {
        if (!sleep_until(watch, now_us, until_us))
            return SERVING_TERMINATE; /* cannot be; better to end than to spin */
        enum serving_event event = take_event(watch);
        if (event != SERVING_NOTHING)
            return event;
    }
    return SERVING_NOTHING;
}

/* As the signal itself would; of a container's first process only a handler can end it. */
static void end_at_once(int signal_number)
{
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
    _exit(128 + signal_number);
}

void serving_watch_unblock_signals(void)
{
    struct sigaction action = {.sa_handler = end_at_once, .sa_flags = SA_NODEFER};
    sigset_t set = ending_signals();
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
