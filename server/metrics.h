/* Counters, gauges and histograms of the service, in Prometheus' text format 0.0.4.
 *
 * Families and their label values are one const table in metrics.c; counting is a relaxed atomic
 * addition, so that it may stand anywhere. */
#ifndef CLASSIFYD_SERVER_METRICS_H
#define CLASSIFYD_SERVER_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"
#include "server/problem.h"

enum metrics_route { /* label "route" */
                     METRICS_ROUTE_CLASSIFY,
                     METRICS_ROUTE_MODELS,
                     METRICS_ROUTE_PROBE, /* livez, readyz, startupz, healthz */
                     METRICS_ROUTE_METRICS,
                     METRICS_ROUTE_PAGE, /* the page and openapi.json */
                     METRICS_ROUTE_OTHER,
                     METRICS_ROUTE_COUNT
};

enum metrics_stage { /* label "stage" */
                     METRICS_STAGE_FETCH,
                     METRICS_STAGE_DECODE,
                     METRICS_STAGE_PREPROCESS,
                     METRICS_STAGE_QUEUE, /* from the slot to the batch */
                     METRICS_STAGE_INFERENCE,
                     METRICS_STAGE_COUNT
};

enum metrics_queue { /* label "queue" */
                     METRICS_QUEUE_FETCH,
                     METRICS_QUEUE_PREPARE,
                     METRICS_QUEUE_BATCH,
                     METRICS_QUEUE_COUNT
};

enum metrics_gauge {
    METRICS_OPEN_CONNECTIONS,
    METRICS_REQUESTS_IN_FLIGHT,
    METRICS_PINNED_BYTES,  /* page-locked: weights, activations, slots */
    METRICS_REQUEST_BYTES, /* charged to limits.memory_bytes */
    METRICS_READY,         /* 1 where /readyz says yes */
    METRICS_GAUGE_COUNT
};

struct metrics;

MUST_CHECK enum status metrics_create(struct metrics **ret_metrics, struct error *error);
void metrics_destroy(struct metrics *metrics);

/* Any thread; a NULL `metrics` is accepted by all of them and does nothing. */

/* classifyd_http_request_duration_seconds{route, code}: code is the HTTP status. */
void metrics_request(struct metrics *metrics, enum metrics_route route, unsigned http_status,
                     uint64_t duration_us);
/* classifyd_stage_duration_seconds{stage} */
void metrics_stage(struct metrics *metrics, enum metrics_stage stage, uint64_t duration_us);
/* classifyd_batch_size, a histogram with a bucket a power of two, and classifyd_images_total. */
void metrics_batch(struct metrics *metrics, size_t images);
/* classifyd_queue_depth{queue}, a gauge. */
void metrics_queue_add(struct metrics *metrics, enum metrics_queue queue, int64_t change);
/* classifyd_queue_wait_seconds{queue}, a histogram. */
void metrics_queue_wait(struct metrics *metrics, enum metrics_queue queue, uint64_t wait_us);
/* classifyd_rejections_total{reason}: the problem's name; of requests and of single images. */
void metrics_problem(struct metrics *metrics, enum problem_code code);
/* classifyd_fetches_total{outcome}: "ok" or the problem's name. */
void metrics_fetch(struct metrics *metrics, enum problem_code outcome);
void metrics_gauge_add(struct metrics *metrics, enum metrics_gauge gauge, int64_t change);
void metrics_gauge_set(struct metrics *metrics, enum metrics_gauge gauge, int64_t value);

/* From now on the gauge is what `value` holds whenever it is read, as budget.used_bytes; it is
 * borrowed and outlives `metrics`. Before other threads know `metrics`. */
void metrics_gauge_watch(struct metrics *metrics, enum metrics_gauge gauge,
                         const atomic_size_t *value);

/* For /healthz. */
int64_t metrics_queue_depth(const struct metrics *metrics, enum metrics_queue queue);
int64_t metrics_gauge_value(const struct metrics *metrics, enum metrics_gauge gauge);

/* The whole exposition, with classifyd_build_info{version} and what metrics_process.h reads under
 * the names of Prometheus' own clients: process_resident_memory_bytes, process_open_fds, ... Of
 * NULL: the latter only. Any thread; reads /proc. Returns owned, free(). Fails with
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status metrics_format(const struct metrics *metrics, char **ret_text,
                                      struct error *error);

#endif
