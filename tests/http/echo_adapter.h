/* A dialect to test the HTTP server with: it says what it was asked.
 *
 *   GET /show       answers at once with method, path, host, type, id and parameters, a line each
 *   GET /big        the same, with as many bytes as its parameter `size` says
 *   GET /probe      a probe
 *   /work           GET, POST, PUT: goes through the pipeline (`when`, `images`), answers with the
 *                   body; `refuse`: parse fails */
#ifndef CLASSIFYD_TESTS_HTTP_ECHO_ADAPTER_H
#define CLASSIFYD_TESTS_HTTP_ECHO_ADAPTER_H

#include "server/api/adapter.h"

extern const struct adapter echo_adapter;

#endif
