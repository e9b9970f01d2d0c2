#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/metrics.h"

static struct metrics *create(void)
{
    struct metrics *metrics = NULL;
    struct error error = {0};
    assert_int_equal(metrics_create(&metrics, &error), STATUS_OK);
    return metrics;
}

/* Where the line of `series` ("name{a=\"b\"}") begins; NULL: there is none. */
static const char *find(const char *text, const char *series)
{
    size_t length = strlen(series);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += !!line)
        if (!strncmp(line, series, length) && line[length] == ' ')
            return line;
    return NULL;
}

static double value_in(const char *text, const char *series)
{
    const char *line = find(text, series);
    if (!line)
        fail_msg("no series %s", series);
    char *end;
    double value = strtod(line + strlen(series) + 1, &end);
    assert_int_equal(*end, '\n');
    return value;
}

static double value_of(const struct metrics *metrics, const char *series)
{
    char *text = NULL;
    struct error error = {0};
    assert_int_equal(metrics_format(metrics, &text, &error), STATUS_OK);
    double value = value_in(text, series);
    free(text);
    return value;
}

static bool has(const struct metrics *metrics, const char *part)
{
    char *text = NULL;
    struct error error = {0};
    assert_int_equal(metrics_format(metrics, &text, &error), STATUS_OK);
    bool found = strstr(text, part) != NULL;
    free(text);
    return found;
}

/* cmocka compares floats, which hold seven digits. */
static void check_value(const struct metrics *metrics, const char *series, double expected)
{
    double value = value_of(metrics, series);
    if (fabs(value - expected) > 1e-9)
        fail_msg("%s is %.9f, not %.9f", series, value, expected);
}

static void requests_are_counted_by_route_and_code(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    metrics_request(metrics, METRICS_ROUTE_CLASSIFY, 200, 12345);
    metrics_request(metrics, METRICS_ROUTE_CLASSIFY, 200, 30000000);
    metrics_request(metrics, METRICS_ROUTE_PROBE, 503, 100);
    metrics_request(metrics, METRICS_ROUTE_PAGE, 299, 100);
#define CLASSIFY_200 "route=\"classify\",code=\"200\""
    check_value(metrics, "classifyd_http_request_duration_seconds_count{" CLASSIFY_200 "}", 2);
    check_value(metrics, "classifyd_http_request_duration_seconds_sum{" CLASSIFY_200 "}",
                30.012345);
    const char *bucket = "classifyd_http_request_duration_seconds_bucket{" CLASSIFY_200;
    const struct {
        const char *bound;
        double count;
    } cases[] = {{"0.0005", 0}, {"0.01", 0}, {"0.025", 1}, {"0.1", 1},
                 {"10", 1},     {"30", 2},   {"60", 2},    {"+Inf", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char series[256];
        snprintf(series, sizeof series, "%s,le=\"%s\"}", bucket, cases[i].bound);
        check_value(metrics, series, cases[i].count);
    }
    check_value(metrics,
                "classifyd_http_request_duration_seconds_bucket{route=\"probe\",code=\"503\","
                "le=\"0.0005\"}",
                1);
    check_value(metrics,
                "classifyd_http_request_duration_seconds_count{route=\"page\",code=\"other\"}", 1);
    assert_false(has(metrics, "route=\"models\""));
    assert_false(has(metrics, "route=\"probe\",code=\"200\""));
    metrics_destroy(metrics);
}

static void every_problem_has_its_status_and_its_reason(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    for (int i = 1; i < PROBLEM_COUNT; i++) {
        const struct problem_kind *kind = problem_kind((enum problem_code)i);
        char series[256];
        snprintf(series, sizeof series, "classifyd_rejections_total{reason=\"%s\"}", kind->name);
        check_value(metrics, series, 0);
        for (int times = 0; times < i; times++)
            metrics_problem(metrics, (enum problem_code)i);
        check_value(metrics, series, i);

        metrics_fetch(metrics, (enum problem_code)i);
        snprintf(series, sizeof series, "classifyd_fetches_total{outcome=\"%s\"}", kind->name);
        check_value(metrics, series, 1);

        metrics_request(metrics, METRICS_ROUTE_OTHER, kind->http_status, 1);
        snprintf(series, sizeof series, "route=\"other\",code=\"%u\"", kind->http_status);
        assert_true(has(metrics, series));
    }
    metrics_problem(metrics, PROBLEM_NONE);
    assert_false(has(metrics, "reason=\"ok\""));
    metrics_fetch(metrics, PROBLEM_NONE);
    check_value(metrics, "classifyd_fetches_total{outcome=\"ok\"}", 1);
    assert_false(has(metrics, "code=\"other\""));
    metrics_destroy(metrics);
}

static void stages_batches_and_queues_are_told_apart(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    static const char *const stages[] = {"fetch", "decode", "preprocess", "queue", "inference"};
    for (int i = 0; i < METRICS_STAGE_COUNT; i++) {
        metrics_stage(metrics, (enum metrics_stage)i, 1000u * (unsigned)(i + 1));
        char series[128];
        snprintf(series, sizeof series, "classifyd_stage_duration_seconds_sum{stage=\"%s\"}",
                 stages[i]);
        check_value(metrics, series, 0.001 * (i + 1));
    }
    for (size_t images = 1; images <= 300; images += 13)
        metrics_batch(metrics, images);
    /* 1, 14, 27, ... 287, 300: 24 of them */
    check_value(metrics, "classifyd_batch_size_count", 24);
    check_value(metrics, "classifyd_batch_size_sum", 24 * (1 + 300) / 2.0);
    check_value(metrics, "classifyd_images_total", 24 * (1 + 300) / 2.0);
    check_value(metrics, "classifyd_batch_size_bucket{le=\"1\"}", 1);
    check_value(metrics, "classifyd_batch_size_bucket{le=\"8\"}", 1);
    check_value(metrics, "classifyd_batch_size_bucket{le=\"16\"}", 2);
    check_value(metrics, "classifyd_batch_size_bucket{le=\"256\"}", 20);
    check_value(metrics, "classifyd_batch_size_bucket{le=\"+Inf\"}", 24);

    static const char *const queues[] = {"fetch", "prepare", "batch"};
    for (int i = 0; i < METRICS_QUEUE_COUNT; i++) {
        metrics_queue_add(metrics, (enum metrics_queue)i, 5 + i);
        metrics_queue_add(metrics, (enum metrics_queue)i, -2);
        metrics_queue_wait(metrics, (enum metrics_queue)i, 7u + (unsigned)i);
        char series[128];
        snprintf(series, sizeof series, "classifyd_queue_depth{queue=\"%s\"}", queues[i]);
        check_value(metrics, series, 3 + i);
        assert_int_equal(metrics_queue_depth(metrics, (enum metrics_queue)i), 3 + i);
        snprintf(series, sizeof series, "classifyd_queue_wait_seconds_sum{queue=\"%s\"}",
                 queues[i]);
        check_value(metrics, series, 1e-6 * (7 + i));
    }
    metrics_destroy(metrics);
}

static void gauges_go_both_ways(void **state)
{
    (void)state;
    static const char *const names[METRICS_GAUGE_COUNT] = {
        [METRICS_OPEN_CONNECTIONS] = "classifyd_open_connections",
        [METRICS_REQUESTS_IN_FLIGHT] = "classifyd_requests_in_flight",
        [METRICS_PINNED_BYTES] = "classifyd_pinned_bytes",
        [METRICS_REQUEST_BYTES] = "classifyd_request_bytes",
        [METRICS_READY] = "classifyd_ready",
    };
    struct metrics *metrics = create();
    for (int i = 0; i < METRICS_GAUGE_COUNT; i++) {
        check_value(metrics, names[i], 0);
        metrics_gauge_set(metrics, (enum metrics_gauge)i, INT64_C(5000000000) + i);
        check_value(metrics, names[i], 5e9 + i);
        metrics_gauge_add(metrics, (enum metrics_gauge)i, -INT64_C(5000000002));
        check_value(metrics, names[i], i - 2);
        assert_int_equal(metrics_gauge_value(metrics, (enum metrics_gauge)i), i - 2);
    }
    metrics_destroy(metrics);
}

static void a_watched_gauge_is_what_it_watches(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    atomic_size_t used_bytes = 7;
    metrics_gauge_watch(metrics, METRICS_REQUEST_BYTES, &used_bytes);
    check_value(metrics, "classifyd_request_bytes", 7);
    atomic_store(&used_bytes, 5000000000);
    check_value(metrics, "classifyd_request_bytes", 5e9);
    assert_int_equal(metrics_gauge_value(metrics, METRICS_REQUEST_BYTES), 5000000000);
    check_value(metrics, "classifyd_pinned_bytes", 0);
    metrics_destroy(metrics);
}

/* What a dashboard is built on is there before the first request. */
static void families_are_announced_before_anything_happens(void **state)
{
    (void)state;
    static const char *const types[] = {
        "classifyd_http_request_duration_seconds histogram",
        "classifyd_stage_duration_seconds histogram",
        "classifyd_batch_size histogram",
        "classifyd_images_total counter",
        "classifyd_queue_depth gauge",
        "classifyd_queue_wait_seconds histogram",
        "classifyd_rejections_total counter",
        "classifyd_fetches_total counter",
        "classifyd_open_connections gauge",
        "classifyd_requests_in_flight gauge",
        "classifyd_pinned_bytes gauge",
        "classifyd_request_bytes gauge",
        "classifyd_ready gauge",
        "classifyd_build_info gauge",
        "process_resident_memory_bytes gauge",
        "process_open_fds gauge",
        "process_start_time_seconds gauge",
        "process_cpu_seconds_total counter",
    };
    struct metrics *metrics = create();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char line[128];
        snprintf(line, sizeof line, "\n# TYPE %s\n", types[i]); /* after its HELP */
        if (!has(metrics, line))
            fail_msg("%s is not announced", types[i]);
    }
    assert_false(has(metrics, "classifyd_http_request_duration_seconds_count"));
    check_value(metrics, "classifyd_batch_size_count", 0);
    assert_true(has(metrics, "\nclassifyd_build_info{version=\"")); /* which: test_prometheus.py */
    metrics_destroy(metrics);
}

static void no_metrics_are_accepted(void **state)
{
    (void)state;
    metrics_request(NULL, METRICS_ROUTE_CLASSIFY, 200, 1);
    metrics_stage(NULL, METRICS_STAGE_DECODE, 1);
    metrics_batch(NULL, 1);
    metrics_queue_add(NULL, METRICS_QUEUE_BATCH, 1);
    metrics_queue_wait(NULL, METRICS_QUEUE_BATCH, 1);
    metrics_problem(NULL, PROBLEM_INTERNAL);
    metrics_fetch(NULL, PROBLEM_NONE);
    metrics_gauge_add(NULL, METRICS_READY, 1);
    metrics_gauge_set(NULL, METRICS_READY, 1);
    assert_int_equal(metrics_queue_depth(NULL, METRICS_QUEUE_BATCH), 0);
    assert_int_equal(metrics_gauge_value(NULL, METRICS_READY), 0);
    assert_true(has(NULL, "process_open_fds "));
    metrics_destroy(NULL);
}

enum { THREADS = 4, ROUNDS = 5000 };

static void *count(void *argument)
{
    struct metrics *metrics = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        metrics_request(metrics, METRICS_ROUTE_CLASSIFY, 200, i);
        metrics_stage(metrics, METRICS_STAGE_DECODE, i);
        metrics_batch(metrics, 8);
        metrics_queue_add(metrics, METRICS_QUEUE_PREPARE, i % 2 ? -1 : 1);
        metrics_problem(metrics, PROBLEM_TIMEOUT);
    }
    return NULL;
}

static void threads_lose_nothing_and_readers_see_histograms_that_agree(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, metrics), 0);
    for (int i = 0; i < 20; i++) {
        char *text = NULL;
        struct error error = {0};
        assert_int_equal(metrics_format(metrics, &text, &error), STATUS_OK);
        assert_true(value_in(text, "classifyd_batch_size_count") ==
                    value_in(text, "classifyd_batch_size_bucket{le=\"+Inf\"}"));
        free(text);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_value(metrics, "classifyd_http_request_duration_seconds_count{" CLASSIFY_200 "}",
                THREADS * ROUNDS);
    check_value(metrics, "classifyd_images_total", 8.0 * THREADS * ROUNDS);
    check_value(metrics, "classifyd_queue_depth{queue=\"prepare\"}", 0);
    check_value(metrics, "classifyd_rejections_total{reason=\"timeout\"}", THREADS * ROUNDS);
    metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_by_route_and_code),
        cmocka_unit_test(every_problem_has_its_status_and_its_reason),
        cmocka_unit_test(stages_batches_and_queues_are_told_apart),
        cmocka_unit_test(gauges_go_both_ways),
        cmocka_unit_test(a_watched_gauge_is_what_it_watches),
        cmocka_unit_test(families_are_announced_before_anything_happens),
        cmocka_unit_test(no_metrics_are_accepted),
        cmocka_unit_test(threads_lose_nothing_and_readers_see_histograms_that_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
