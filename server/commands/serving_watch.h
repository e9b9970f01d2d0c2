/* What the service's main thread waits for: signals, news from another thread, a time. While it
 * waits, the service manager's watchdog is told that it goes round. */
#ifndef CLASSIFYD_SERVER_COMMANDS_SERVING_WATCH_H
#define CLASSIFYD_SERVER_COMMANDS_SERVING_WATCH_H

#include <stdint.h>

#include "model/base/status.h"

struct serving_watch {
    int signal_fd; /* SIGTERM, SIGINT, SIGHUP arrive here */
    int news_fd;   /* readable once for each piece of news */
};

enum serving_event {
    SERVING_NOTHING, /* the time is up */
    SERVING_NEWS,
    SERVING_HANGUP,
    SERVING_INTERRUPT,
    SERVING_TERMINATE,
};

/* Blocks the signals, in the main thread before the first other is started, so that every thread
 * has them blocked. Fails with STATUS_IO; serving_watch_fini is due in any case. */
MUST_CHECK enum status serving_watch_init(struct serving_watch *watch, struct error *error);

/* Leaves the signals as they are. */
void serving_watch_fini(struct serving_watch *watch);

/* A piece of news: serving_watch_wait returns SERVING_NEWS once for each. Any thread; never
 * blocks. */
void serving_watch_tell(const struct serving_watch *watch);

/* The next event, news before signals; SERVING_NOTHING at `until_us` of clock.h (UINT64_MAX:
 * never), and then without a look at either. The main thread; blocks. */
enum serving_event serving_watch_wait(const struct serving_watch *watch, uint64_t until_us);

/* From here on a signal does what it does to any program: SIGTERM and SIGINT end it at once. */
void serving_watch_unblock_signals(void);

#endif
