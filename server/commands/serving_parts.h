/* What the service is made of: each part as the configuration says, built bottom-up and taken down
 * in reverse. What is done with them while the process lives is serving.c's. */
#ifndef CLASSIFYD_SERVER_COMMANDS_SERVING_PARTS_H
#define CLASSIFYD_SERVER_COMMANDS_SERVING_PARTS_H

#include "server/api/native.h"
#include "server/api/service.h"
#include "server/commands/library.h"
#include "server/commands/serving_watch.h"
#include "server/config/config.h"
#include "server/fetch/fetcher.h"
#include "server/http/http_server.h"
#include "server/models/loader.h"

/* In the order in which they are made. Parts know each other's addresses: not to be moved. */
struct serving_parts {
    const struct config *config;       /* borrowed */
    const struct serving_watch *watch; /* borrowed; told of the loader's news */
    struct log *log;
    struct metrics *metrics;
    struct budget budget; /* of bodies and fetched images */
    struct library library;
    struct numa_topology numa; /* outlives what computes */
    struct registry *registry;
    struct url_policy *policy; /* NULL, as the fetcher, where URLs are not fetched */
    struct fetcher *fetcher;
    struct pipeline *pipeline;
    struct native *native;
    struct service *service;
    struct adapter adapters[2];
    struct http_server *http;
    struct loader *loader; /* NULL when it was let go */
};

/* Listens before the models are loaded: /livez says yes at once, /readyz when serving.c says so.
 * `watch` is told twice, when each model is ready or has failed and when the loader has nothing
 * left to do. Starts threads, of which each has the caller's signal mask. Fails as the parts do;
 * what is there by then is left for serving_parts_fini. */
MUST_CHECK enum status serving_parts_init(struct serving_parts *parts, const struct config *config,
                                          const struct serving_watch *watch, struct error *error);

/* Waits for the loader, as long as one model takes; nothing where it was let go. */
void serving_parts_end_loader(struct serving_parts *parts);

/* Also where serving_parts_init failed half way. Waits for every thread. */
void serving_parts_fini(struct serving_parts *parts);

#endif
