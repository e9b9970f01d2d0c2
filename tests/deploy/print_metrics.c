/* An exposition with something in every family, for readers that we did not write. */
#include <stdio.h>
#include <stdlib.h>

#include "server/metrics.h"

int main(void)
{
    struct metrics *metrics = NULL;
    struct error error = {0};
    if (metrics_create(&metrics, &error))
        return 1;
    metrics_request(metrics, METRICS_ROUTE_CLASSIFY, 200, 12345);
    metrics_request(metrics, METRICS_ROUTE_CLASSIFY, 200, 70000000);
    metrics_request(metrics, METRICS_ROUTE_CLASSIFY, 503, 250);
    metrics_stage(metrics, METRICS_STAGE_INFERENCE, 8000);
    metrics_batch(metrics, 8);
    metrics_batch(metrics, 3);
    metrics_queue_add(metrics, METRICS_QUEUE_PREPARE, 17);
    metrics_queue_wait(metrics, METRICS_QUEUE_BATCH, 900);
    metrics_problem(metrics, PROBLEM_OVERLOADED);
    metrics_fetch(metrics, PROBLEM_FETCH_TIMEOUT);
    metrics_gauge_set(metrics, METRICS_PINNED_BYTES, 102400000);
    metrics_gauge_set(metrics, METRICS_READY, 1);
    char *text = NULL;
    if (metrics_format(metrics, &text, &error))
        return 1;
    fputs(text, stdout);
    free(text);
    metrics_destroy(metrics);
    return 0;
}
