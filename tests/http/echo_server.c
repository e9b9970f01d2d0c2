/* The HTTP server with echo_adapter and fake_pipeline, told on standard input what to do.
 *
 * echo_server [NAME=VALUE]...      (http_server_options; its times in ms, memory_bytes)
 *
 * Prints its URL, then an answer to each line it reads:
 *   await N      wait until N items in all have come to wait: "yes" or "no" (after 20 s)
 *   finish N     finish the N oldest: how many were live
 *   numbers      open connections, requests in flight, bytes charged, descriptors, threads
 *   metrics      the exposition, then a line "."
 *   close        http_server_close_connections: "ok"
 *   drain MS     http_server_drain in MS from now; its result when it returns, other lines
 * meanwhile are read: begins with "drained" hog N        open N descriptors: how many could be; 0
 * closes them all At the end of its input it destroys everything; exit status 1 where bytes are
 * still charged. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/http/http_server.h"
#include "tests/http/echo_adapter.h"
#include "tests/http/fake_pipeline.h"

enum { MAX_HOGS = 65536 };

struct fixture {
    struct http_server_options options;
    struct http_server *server;
    struct budget budget;
    pthread_t drainer;
    bool is_draining;
    uint64_t drain_deadline_us;
    int hogs[MAX_HOGS];
    size_t hog_count;
};

static void fail(const char *what, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", what, error ? error->text : "");
    exit(2);
}

static void read_setting(struct fixture *fixture, const char *setting)
{
    struct http_server_options *options = &fixture->options;
    const struct {
        const char *name;
        uint64_t *time_us;
        size_t *size;
    } table[] = {
        {"header_timeout", &options->header_timeout_us, NULL},
        {"body_timeout", &options->body_timeout_us, NULL},
        {"idle_timeout", &options->idle_timeout_us, NULL},
        {"send_timeout", &options->send_timeout_us, NULL},
        {"request_timeout", &options->request_timeout_us, NULL},
        {"max_connections", NULL, &options->max_connections},
        {"max_requests", NULL, &options->max_requests},
        {"max_body_bytes", NULL, &options->max_body_bytes},
        {"memory_bytes", NULL, &fixture->budget.limit_bytes},
    };
    const char *value = strchr(setting, '=');
    if (!value)
        fail(setting, NULL);
    size_t length = (size_t)(value++ - setting);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, setting, length) == 0) {
            if (table[i].time_us)
                *table[i].time_us = strtoull(value, NULL, 10) * 1000;
            else
                *table[i].size = strtoull(value, NULL, 10);
            return;
        }
    if (strncmp(setting, "host=", 5) == 0)
        options->host = value;
    else if (strncmp(setting, "port=", 5) == 0)
        options->port = (uint16_t)strtoul(value, NULL, 10);
    else if (strncmp(setting, "event_threads=", 14) == 0)
        options->event_threads = (unsigned)strtoul(value, NULL, 10);
    else if (strncmp(setting, "allow_half_close=", 17) == 0)
        options->allow_half_close = strcmp(value, "true") == 0;
    else
        fail(setting, NULL);
}

static size_t count_entries(const char *folder)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    size_t count = 0;
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count - 2;
}

static void print_numbers(const struct fixture *fixture)
{
    const struct metrics *metrics = fixture->options.metrics;
    printf("%lld %lld %zu %zu %zu\n",
           (long long)metrics_gauge_value(metrics, METRICS_OPEN_CONNECTIONS),
           (long long)metrics_gauge_value(metrics, METRICS_REQUESTS_IN_FLIGHT),
           budget_used(&fixture->budget), count_entries("/proc/self/fd"),
           count_entries("/proc/self/task"));
}

static void print_metrics(const struct fixture *fixture)
{
    struct error error = {0};
    char *text = NULL;
    if (metrics_format(fixture->options.metrics, &text, &error))
        fail("metrics", &error);
    printf("%s.\n", text);
    free(text);
}

static void *drain(void *user)
{
    struct fixture *fixture = user;
    size_t aborted = http_server_drain(fixture->server, fixture->drain_deadline_us);
    printf("drained %zu\n", aborted);
    (void)fflush(stdout);
    return NULL;
}

static void hog(struct fixture *fixture, size_t count)
{
    while (count == 0 && fixture->hog_count > 0)
        (void)close(fixture->hogs[--fixture->hog_count]);
    while (count-- > 0 && fixture->hog_count < MAX_HOGS) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            break;
        fixture->hogs[fixture->hog_count++] = fd;
    }
    printf("%zu\n", fixture->hog_count);
}

static void obey(struct fixture *fixture, const char *word, uint64_t number)
{
    struct pipeline *pipeline = fixture->options.pipeline;
    if (strcmp(word, "await") == 0) {
        printf("%s\n", fake_pipeline_await(pipeline, (size_t)number, 20000000) ? "yes" : "no");
    } else if (strcmp(word, "finish") == 0) {
        printf("%zu\n", fake_pipeline_finish(pipeline, (size_t)number));
    } else if (strcmp(word, "numbers") == 0) {
        print_numbers(fixture);
    } else if (strcmp(word, "metrics") == 0) {
        print_metrics(fixture);
    } else if (strcmp(word, "close") == 0) {
        http_server_close_connections(fixture->server);
        printf("ok\n");
    } else if (strcmp(word, "hog") == 0) {
        hog(fixture, (size_t)number);
    } else if (strcmp(word, "drain") == 0 && !fixture->is_draining) {
        fixture->is_draining = true;
        fixture->drain_deadline_us = clock_now_us() + number * 1000;
        if (pthread_create(&fixture->drainer, NULL, drain, fixture))
            fail("drain", NULL);
    } else {
        fail(word, NULL);
    }
}

int main(int count, char **arguments)
{
    static struct fixture fixture = {
        .budget = {.limit_bytes = 64 << 20},
        .options = {.host = "localhost",
                    .event_threads = 2,
                    .max_connections = 1000,
                    .max_requests = 1000,
                    .max_body_bytes = 8 << 20,
                    .header_timeout_us = 20000000,
                    .body_timeout_us = 20000000,
                    .idle_timeout_us = 60000000,
                    .send_timeout_us = 20000000,
                    .request_timeout_us = 60000000,
                    .adapters = &echo_adapter,
                    .adapter_count = 1},
    };
    struct error error = {0};
    for (int i = 1; i < count; i++)
        read_setting(&fixture, arguments[i]);
    struct log_options log = {.fd = 2, .level = LOG_DEBUG, .format = LOG_FORMAT_JSON};
    if (log_create(&log, &fixture.options.log, &error) ||
        metrics_create(&fixture.options.metrics, &error))
        fail("start", &error);
    fixture.options.budget = &fixture.budget;
    fixture.options.pipeline = fake_pipeline_create();
    if (http_server_create(&fixture.options, &fixture.server, &error))
        fail("start", &error);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s\n", http_server_url(fixture.server));

    char line[64], word[32];
    while (fgets(line, sizeof line, stdin)) {
        unsigned long long number = 0;
        if (sscanf(line, "%31s %llu", word, &number) >= 1)
            obey(&fixture, word, number);
    }
    if (fixture.is_draining)
        pthread_join(fixture.drainer, NULL);
    hog(&fixture, 0);
    http_server_destroy(fixture.server);
    fake_pipeline_destroy(fixture.options.pipeline);
    metrics_destroy(fixture.options.metrics);
    log_destroy(fixture.options.log);
    return budget_used(&fixture.budget) == 0 ? 0 : 1;
}
