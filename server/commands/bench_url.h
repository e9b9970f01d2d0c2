/* A running service under load. */
#ifndef CLASSIFYD_SERVER_COMMANDS_BENCH_URL_H
#define CLASSIFYD_SERVER_COMMANDS_BENCH_URL_H

#include "server/commands/command.h"

/* Posts the photographs of --images to --url with --clients, as fast as they are answered or at
 * --rate, for --seconds and prints what came of it, as text or --json. An interrupt ends it early,
 * and what there is is printed. Returns an enum command_exit: failed where a request was not
 * answered with 200. */
int bench_url_run(const struct command_call *call);

#endif
