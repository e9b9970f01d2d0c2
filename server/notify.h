/* Telling the service manager how we are: systemd's notification protocol, without its library.
 *
 * See sd_notify(3): lines of NAME=VALUE in one datagram to the socket that NOTIFY_SOCKET names, a
 * path or, with a leading @, a name in the abstract namespace. Where no manager asked for it,
 * nothing happens. */
#ifndef CLASSIFYD_SERVER_NOTIFY_H
#define CLASSIFYD_SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Sends `state`: "READY=1\nSTATUS=Serving on ...", "STOPPING=1", "WATCHDOG=1". False only where a
 * manager asked and could not be told; errno says why. Any thread; blocks for a second at most,
 * where the manager does not read. */
bool notify_send(const char *state);

/* How often the manager wants to hear WATCHDOG=1, or takes the process for hung; ping at half of
 * it. 0: it does not. Any thread. */
uint64_t notify_watchdog_us(void);

#endif
