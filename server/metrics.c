#include "server/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/metrics_process.h"

enum type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM };

/* What numbers are counted in here, and what they are in the text: as they are, or microseconds
 * that are shown as seconds. */
enum unit { UNIT_ONE = 1, UNIT_SECONDS = 1000000 };

struct label {
    const char *name;
    size_t count;
    const char *(*value)(size_t index); /* constant text without quotes, backslashes, newlines */
};

struct buckets {
    size_t count;
    const uint64_t *bounds; /* [count], ascending, in the family's unit; +Inf follows by itself */
};

struct family {
    const char *name, *help;
    enum type type;
    enum unit unit;
    const struct label *labels[2];
    const struct buckets *buckets; /* of a histogram */
    bool is_sparse; /* series appear when they are first counted: most pairs never happen */
};

static const char *const route_names[METRICS_ROUTE_COUNT] = {
    [METRICS_ROUTE_CLASSIFY] = "classify", [METRICS_ROUTE_MODELS] = "models",
    [METRICS_ROUTE_PROBE] = "probe",       [METRICS_ROUTE_METRICS] = "metrics",
    [METRICS_ROUTE_PAGE] = "page",         [METRICS_ROUTE_OTHER] = "other",
};
static const char *const stage_names[METRICS_STAGE_COUNT] = {
    [METRICS_STAGE_FETCH] = "fetch",           [METRICS_STAGE_DECODE] = "decode",
    [METRICS_STAGE_PREPROCESS] = "preprocess", [METRICS_STAGE_QUEUE] = "queue",
    [METRICS_STAGE_INFERENCE] = "inference",
};
static const char *const queue_names[METRICS_QUEUE_COUNT] = {
    [METRICS_QUEUE_FETCH] = "fetch",
    [METRICS_QUEUE_PREPARE] = "prepare",
    [METRICS_QUEUE_BATCH] = "batch",
};
/* Those that are sent, so that nobody can make series by asking oddly; the last is any other. */
static const struct http_status {
    unsigned status;
    const char *text;
} http_statuses[] = {
    {200, "200"}, {204, "204"}, {304, "304"}, {400, "400"}, {403, "403"},
    {404, "404"}, {405, "405"}, {406, "406"}, {408, "408"}, {411, "411"},
    {412, "412"}, {413, "413"}, {414, "414"}, {415, "415"}, {417, "417"},
    {422, "422"}, {431, "431"}, {499, "499"}, {500, "500"}, {501, "501"},
    {502, "502"}, {503, "503"}, {504, "504"}, {505, "505"}, {0, "other"},
};
enum { HTTP_STATUS_COUNT = sizeof http_statuses / sizeof *http_statuses };

static const char *route_value(size_t index)
{
    return route_names[index];
}

static const char *http_status_value(size_t index)
{
    return http_statuses[index].text;
}

static const char *stage_value(size_t index)
{
    return stage_names[index];
}

static const char *queue_value(size_t index)
{
    return queue_names[index];
}

static const char *outcome_value(size_t index)
{
    return problem_kind((enum problem_code)index)->name;
}

static const char *reason_value(size_t index)
{
    return outcome_value(index + 1); /* PROBLEM_NONE is no reason */
}

static const char *version_value(size_t index)
{
    (void)index;
    return CLASSIFYD_VERSION;
}

static const struct label label_route = {"route", METRICS_ROUTE_COUNT, route_value};
static const struct label label_http_status = {"code", HTTP_STATUS_COUNT, http_status_value};
static const struct label label_stage = {"stage", METRICS_STAGE_COUNT, stage_value};
static const struct label label_queue = {"queue", METRICS_QUEUE_COUNT, queue_value};
static const struct label label_outcome = {"outcome", PROBLEM_COUNT, outcome_value};
static const struct label label_reason = {"reason", PROBLEM_COUNT - 1, reason_value};
static const struct label label_version = {"version", 1, version_value};

/* From a probe's answer to the longest request that a default configuration lets live. */
static const uint64_t duration_bounds_us[] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};
static const struct buckets durations = {sizeof duration_bounds_us / sizeof *duration_bounds_us,
                                         duration_bounds_us};
static const uint64_t batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
static const struct buckets batches = {sizeof batch_bounds / sizeof *batch_bounds, batch_bounds};

enum family_name {
    FAMILY_REQUESTS,
    FAMILY_STAGES,
    FAMILY_BATCHES,
    FAMILY_IMAGES,
    FAMILY_QUEUE_DEPTH,
    FAMILY_QUEUE_WAIT,
    FAMILY_REJECTIONS,
    FAMILY_FETCHES,
    FAMILY_GAUGES, /* one a gauge, in their order */
    FAMILY_BUILD_INFO = FAMILY_GAUGES + METRICS_GAUGE_COUNT,
    FAMILY_COUNT
};

static const struct family families[FAMILY_COUNT] = {
    [FAMILY_REQUESTS] = {"classifyd_http_request_duration_seconds",
                         "HTTP requests from their first byte to the end of their answer, by "
                         "route and status.",
                         TYPE_HISTOGRAM,
                         UNIT_SECONDS,
                         {&label_route, &label_http_status},
                         &durations,
                         true},
    [FAMILY_STAGES] = {"classifyd_stage_duration_seconds",
                       "What an image spent in each stage of its way.",
                       TYPE_HISTOGRAM,
                       UNIT_SECONDS,
                       {&label_stage},
                       &durations,
                       false},
    [FAMILY_BATCHES] = {"classifyd_batch_size",
                        "Images in each batch that an engine ran.",
                        TYPE_HISTOGRAM,
                        UNIT_ONE,
                        {NULL},
                        &batches,
                        false},
    [FAMILY_IMAGES] = {.name = "classifyd_images_total",
                       .help = "Images that went through an engine.",
                       .type = TYPE_COUNTER,
                       .unit = UNIT_ONE},
    [FAMILY_QUEUE_DEPTH] = {.name = "classifyd_queue_depth",
                            .help = "Images that wait in each queue now.",
                            .type = TYPE_GAUGE,
                            .unit = UNIT_ONE,
                            .labels = {&label_queue}},
    [FAMILY_QUEUE_WAIT] = {"classifyd_queue_wait_seconds",
                           "What an image waited in each queue.",
                           TYPE_HISTOGRAM,
                           UNIT_SECONDS,
                           {&label_queue},
                           &durations,
                           false},
    [FAMILY_REJECTIONS] = {.name = "classifyd_rejections_total",
                           .help = "Requests and single images that failed, by the code of the "
                                   "problem they were answered with.",
                           .type = TYPE_COUNTER,
                           .unit = UNIT_ONE,
                           .labels = {&label_reason}},
    [FAMILY_FETCHES] = {.name = "classifyd_fetches_total",
                        .help = "Fetches of URLs by what became of them: ok, or the problem's "
                                "code.",
                        .type = TYPE_COUNTER,
                        .unit = UNIT_ONE,
                        .labels = {&label_outcome}},
    [FAMILY_GAUGES + METRICS_OPEN_CONNECTIONS] = {.name = "classifyd_open_connections",
                                                  .help = "Connections of clients that are open.",
                                                  .type = TYPE_GAUGE,
                                                  .unit = UNIT_ONE},
    [FAMILY_GAUGES +
        METRICS_REQUESTS_IN_FLIGHT] = {.name = "classifyd_requests_in_flight",
                                       .help = "Requests that are admitted and not answered yet.",
                                       .type = TYPE_GAUGE,
                                       .unit = UNIT_ONE},
    [FAMILY_GAUGES + METRICS_PINNED_BYTES] = {.name = "classifyd_pinned_bytes",
                                              .help = "Memory that is locked against paging: "
                                                      "weights, activations, image slots.",
                                              .type = TYPE_GAUGE,
                                              .unit = UNIT_ONE},
    [FAMILY_GAUGES + METRICS_REQUEST_BYTES] = {.name = "classifyd_request_bytes",
                                               .help = "Bodies and fetched images in memory, "
                                                       "which limits.memory_bytes bounds.",
                                               .type = TYPE_GAUGE,
                                               .unit = UNIT_ONE},
    [FAMILY_GAUGES + METRICS_READY] = {.name = "classifyd_ready",
                                       .help = "1 where /readyz says yes.",
                                       .type = TYPE_GAUGE,
                                       .unit = UNIT_ONE},
    [FAMILY_BUILD_INFO] = {.name = "classifyd_build_info",
                           .help = "Always 1; the label is what tells.",
                           .type = TYPE_GAUGE,
                           .unit = UNIT_ONE,
                           .labels = {&label_version}},
};

/* Every number of every family in one array. A series of a counter or gauge is one cell, of a
 * histogram a cell a bucket, then +Inf's, then the sum; the buckets are added up when they are
 * printed, so that a histogram agrees with itself whenever it is read. */
struct metrics {
    size_t first_cells[FAMILY_COUNT];
    const atomic_size_t *watched[METRICS_GAUGE_COUNT]; /* NULL: the gauge's own cell */
    _Atomic int64_t cells[];
};

static size_t count_cells(const struct family *family)
{
    return family->type == TYPE_HISTOGRAM ? family->buckets->count + 2 : 1;
}

static size_t count_values(const struct label *label)
{
    return label ? label->count : 1;
}

static size_t count_series(const struct family *family)
{
    return count_values(family->labels[0]) * count_values(family->labels[1]);
}

enum status metrics_create(struct metrics **ret_metrics, struct error *error)
{
    size_t first_cells[FAMILY_COUNT], cell_count = 0;
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        first_cells[i] = cell_count;
        cell_count += count_series(&families[i]) * count_cells(&families[i]);
    }
    struct metrics *metrics = calloc(1, sizeof *metrics + cell_count * sizeof *metrics->cells);
    if (!metrics)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu counters", cell_count);
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        metrics->first_cells[i] = first_cells[i];
    metrics->cells[first_cells[FAMILY_BUILD_INFO]] = 1;
    *ret_metrics = metrics;
    return STATUS_OK;
}

void metrics_destroy(struct metrics *metrics)
{
    free(metrics);
}

static size_t find_series(const struct metrics *metrics, enum family_name name, size_t series)
{
    assert(series < count_series(&families[name]));
    return metrics->first_cells[name] + series * count_cells(&families[name]);
}

static void add(struct metrics *metrics, enum family_name name, size_t series, int64_t change)
{
    if (metrics)
        atomic_fetch_add_explicit(&metrics->cells[find_series(metrics, name, series)], change,
                                  memory_order_relaxed);
}

static int64_t load(const struct metrics *metrics, size_t cell)
{
    return atomic_load_explicit(&metrics->cells[cell], memory_order_relaxed);
}

static void observe(struct metrics *metrics, enum family_name name, size_t series, uint64_t value)
{
    if (!metrics)
        return;
    const struct buckets *buckets = families[name].buckets;
    size_t bucket = 0;
    while (bucket < buckets->count && value > buckets->bounds[bucket])
        bucket++;
    _Atomic int64_t *cells = &metrics->cells[find_series(metrics, name, series)];
    atomic_fetch_add_explicit(&cells[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[buckets->count + 1], (int64_t)value, memory_order_relaxed);
}

void metrics_request(struct metrics *metrics, enum metrics_route route, unsigned http_status,
                     uint64_t duration_us)
{
    size_t i = 0;
    while (i < HTTP_STATUS_COUNT - 1 && http_statuses[i].status != http_status)
        i++;
    observe(metrics, FAMILY_REQUESTS, (size_t)route * HTTP_STATUS_COUNT + i, duration_us);
}

void metrics_stage(struct metrics *metrics, enum metrics_stage stage, uint64_t duration_us)
{
    observe(metrics, FAMILY_STAGES, stage, duration_us);
}

void metrics_batch(struct metrics *metrics, size_t images)
{
    observe(metrics, FAMILY_BATCHES, 0, images);
    add(metrics, FAMILY_IMAGES, 0, (int64_t)images);
}

void metrics_queue_add(struct metrics *metrics, enum metrics_queue queue, int64_t change)
{
    add(metrics, FAMILY_QUEUE_DEPTH, queue, change);
}

void metrics_queue_wait(struct metrics *metrics, enum metrics_queue queue, uint64_t wait_us)
{
    observe(metrics, FAMILY_QUEUE_WAIT, queue, wait_us);
}

void metrics_problem(struct metrics *metrics, enum problem_code code)
{
    if (code != PROBLEM_NONE)
        add(metrics, FAMILY_REJECTIONS, (size_t)code - 1, 1);
}

void metrics_fetch(struct metrics *metrics, enum problem_code outcome)
{
    add(metrics, FAMILY_FETCHES, outcome, 1);
}

void metrics_gauge_add(struct metrics *metrics, enum metrics_gauge gauge, int64_t change)
{
    add(metrics, FAMILY_GAUGES + gauge, 0, change);
}

void metrics_gauge_set(struct metrics *metrics, enum metrics_gauge gauge, int64_t value)
{
    if (metrics)
        atomic_store_explicit(&metrics->cells[find_series(metrics, FAMILY_GAUGES + gauge, 0)],
                              value, memory_order_relaxed);
}

void metrics_gauge_watch(struct metrics *metrics, enum metrics_gauge gauge,
                         const atomic_size_t *value)
{
    if (metrics)
        metrics->watched[gauge] = value;
}

int64_t metrics_queue_depth(const struct metrics *metrics, enum metrics_queue queue)
{
    return metrics ? load(metrics, find_series(metrics, FAMILY_QUEUE_DEPTH, queue)) : 0;
}

int64_t metrics_gauge_value(const struct metrics *metrics, enum metrics_gauge gauge)
{
    if (metrics && metrics->watched[gauge])
        return (int64_t)atomic_load_explicit(metrics->watched[gauge], memory_order_relaxed);
    return metrics ? load(metrics, find_series(metrics, FAMILY_GAUGES + gauge, 0)) : 0;
}

static int64_t load_series(const struct metrics *metrics, enum family_name name, size_t series)
{
    if (name >= FAMILY_GAUGES && name < FAMILY_GAUGES + METRICS_GAUGE_COUNT)
        return metrics_gauge_value(metrics, (enum metrics_gauge)(name - FAMILY_GAUGES));
    return load(metrics, find_series(metrics, name, series));
}

static void print_head(FILE *out, const char *name, const char *help, enum type type)
{
    static const char *const types[] = {
        [TYPE_COUNTER] = "counter", [TYPE_GAUGE] = "gauge", [TYPE_HISTOGRAM] = "histogram"};
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* Without floating point: exact, and the same in every locale. */
static void print_number(FILE *out, int64_t value, enum unit unit)
{
    if (unit == UNIT_ONE) {
        fprintf(out, "%" PRId64, value);
        return;
    }
    int64_t fraction = value % unit;
    int digits = 6;
    for (; digits > 1 && fraction % 10 == 0; digits--)
        fraction /= 10;
    fprintf(out, "%" PRId64, value / unit);
    if (fraction > 0)
        fprintf(out, ".%0*" PRId64, digits, fraction);
}

/* "name_suffix{a="x",b="y",le="0.5"} "; `bound` NULL: no le. */
static void print_series(FILE *out, const struct family *family, size_t series, const char *suffix,
                         const uint64_t *bound)
{
    fprintf(out, "%s%s", family->name, suffix);
    size_t inner = count_values(family->labels[1]);
    const size_t indices[] = {series / inner, series % inner};
    const char *separator = "{";
    for (size_t i = 0; i < 2 && family->labels[i]; i++) {
        const struct label *label = family->labels[i];
        fprintf(out, "%s%s=\"%s\"", separator, label->name, label->value(indices[i]));
        separator = ",";
    }
    if (bound) {
        fprintf(out, "%sle=\"", separator);
        if (*bound == UINT64_MAX)
            fputs("+Inf", out);
        else
            print_number(out, (int64_t)*bound, family->unit);
        fputc('"', out);
        separator = ",";
    }
    fputs(*separator == ',' ? "} " : " ", out);
}

static void print_histogram(FILE *out, const struct metrics *metrics, enum family_name name,
                            size_t series)
{
    const struct family *family = &families[name];
    const struct buckets *buckets = family->buckets;
    size_t cell = find_series(metrics, name, series);
    int64_t counts[32], count = 0;
    assert(buckets->count < sizeof counts / sizeof *counts);
    for (size_t i = 0; i <= buckets->count; i++)
        counts[i] = count += load(metrics, cell + i);
    if (family->is_sparse && count == 0)
        return;
    for (size_t i = 0; i <= buckets->count; i++) {
        uint64_t bound = i < buckets->count ? buckets->bounds[i] : UINT64_MAX;
        print_series(out, family, series, "_bucket", &bound);
        fprintf(out, "%" PRId64 "\n", counts[i]);
    }
    print_series(out, family, series, "_sum", NULL);
    print_number(out, load(metrics, cell + buckets->count + 1), family->unit);
    fputc('\n', out);
    print_series(out, family, series, "_count", NULL);
    fprintf(out, "%" PRId64 "\n", count);
}

static void print_family(FILE *out, const struct metrics *metrics, enum family_name name)
{
    const struct family *family = &families[name];
    print_head(out, family->name, family->help, family->type);
    for (size_t series = 0; series < count_series(family); series++) {
        if (family->type == TYPE_HISTOGRAM) {
            print_histogram(out, metrics, name, series);
            continue;
        }
        print_series(out, family, series, "", NULL);
        print_number(out, load_series(metrics, name, series), family->unit);
        fputc('\n', out);
    }
}

static void print_process(FILE *out)
{
    struct metrics_process process;
    metrics_process_read(&process);
    /* The names and meanings that Prometheus' own clients agreed on. */
    const struct {
        const char *name, *help;
        enum type type;
        enum unit unit;
        int64_t value;
    } rows[] = {
        {"process_resident_memory_bytes", "Resident memory.", TYPE_GAUGE, UNIT_ONE,
         process.resident_bytes},
        {"process_virtual_memory_bytes", "Virtual memory.", TYPE_GAUGE, UNIT_ONE,
         process.virtual_bytes},
        {"process_cpu_seconds_total", "User and system time of every thread.", TYPE_COUNTER,
         UNIT_SECONDS, process.cpu_us},
        {"process_open_fds", "Open descriptors.", TYPE_GAUGE, UNIT_ONE, process.open_fds},
        {"process_max_fds", "The limit on open descriptors.", TYPE_GAUGE, UNIT_ONE,
         process.max_fds},
        {"process_threads", "Threads.", TYPE_GAUGE, UNIT_ONE, process.threads},
        {"process_start_time_seconds", "When the process was started, since 1970.", TYPE_GAUGE,
         UNIT_SECONDS, process.start_time_us},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_head(out, rows[i].name, rows[i].help, rows[i].type);
        if (rows[i].value < 0)
            continue;
        fprintf(out, "%s ", rows[i].name);
        print_number(out, rows[i].value, rows[i].unit);
        fputc('\n', out);
    }
}

enum status metrics_format(const struct metrics *metrics, char **ret_text, struct error *error)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return error_set(error, STATUS_NO_MEMORY, "no memory to write the metrics");
    for (size_t i = 0; metrics && i < FAMILY_COUNT; i++)
        print_family(out, metrics, (enum family_name)i);
    print_process(out);
    bool has_failed = ferror(out);
    has_failed |= fclose(out) != 0;
    if (has_failed) {
        free(text);
        return error_set(error, STATUS_NO_MEMORY, "no memory to write the metrics");
    }
    *ret_text = text;
    return STATUS_OK;
}
