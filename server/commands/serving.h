/* The life of the service: up, ready when its models are, told to stop, drained, down. */
#ifndef CLASSIFYD_SERVER_COMMANDS_SERVING_H
#define CLASSIFYD_SERVER_COMMANDS_SERVING_H

#include "server/config/config.h"

/* Whether what `config` names can be meant at all: networks, hosts, models' names. Fails with
 * STATUS_BAD_REQUEST. Opens nothing. */
MUST_CHECK enum status serving_check(const struct config *config, struct error *error);

/* Serves as `config` says until SIGTERM or SIGINT, then answers what is under way and returns; a
 * second signal ends the process at once. Errors of the start (a port that is taken, a model that
 * cannot be loaded) come back as they are. To be called by the main thread before any other was
 * started: it blocks the signals that it waits for. */
MUST_CHECK enum status serving_run(const struct config *config, struct error *error);

#endif
