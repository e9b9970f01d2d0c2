#include "server/commands/bench_url.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "model/base/alloc.h"
#include "model/base/json_doc.h"
#include "server/commands/photographs.h"
#include "server/commands/terminal.h"
#include "server/document.h"
#include "server/fetch/load.h"

enum { TIMEOUT_S = 60 };

/* Readable once somebody wants an end; the signals stay blocked. */
static int open_stop(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static double percentile_ms(const struct load_result *result, size_t percent)
{
    if (result->answered == 0)
        return 0;
    size_t index = (result->answered * percent + 99) / 100 - 1;
    return (double)result->latencies_us[index] / 1e3;
}

static double images_per_second(const struct load_result *result)
{
    return result->elapsed_us > 0 ? (double)result->answered * 1e6 / (double)result->elapsed_us : 0;
}

static size_t count_errors(const struct load_result *result)
{
    size_t errors = result->unlisted;
    for (size_t i = 0; i < result->outcome_count; i++)
        if (result->outcomes[i].status != 200)
            errors += result->outcomes[i].count;
    return errors;
}

static void print_outcomes(const struct load_result *result)
{
    char why[sizeof result->outcomes->why];
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct load_outcome *outcome = &result->outcomes[i];
        if (outcome->status == 200)
            continue;
        terminal_clean(outcome->why, why, sizeof why);
        if (outcome->status == 0)
            printf("errors   %zu without an answer: %s\n", outcome->count, why);
        else
            printf("errors   %zu answered %ld\n", outcome->count, outcome->status);
    }
    if (result->unlisted > 0)
        printf("errors   %zu of further statuses\n", result->unlisted);
}

static void print_text(const struct load_options *options, const struct load_result *result)
{
    char url[512];
    terminal_clean(options->url, url, sizeof url);
    printf("service  %s, %u client%s, %zu image%s in turn\n", url, options->clients,
           options->clients == 1 ? "" : "s", options->image_count,
           options->image_count == 1 ? "" : "s");
    if (options->rate_per_second > 0)
        printf("arrivals %.0f images/s, at random moments\n", options->rate_per_second);
    printf("answers  %zu in %.1f s: %.1f images/s%s\n", result->answered,
           (double)result->elapsed_us / 1e6, images_per_second(result),
           result->is_stopped ? ", interrupted" : "");
    if (result->answered > 0)
        printf("latency  p50 %.2f ms, p90 %.2f ms, p99 %.2f ms\n", percentile_ms(result, 50),
               percentile_ms(result, 90), percentile_ms(result, 99));
    if (result->unsent > 0)
        printf("unsent   %zu: all clients were waiting for answers; the service is slower than "
               "this, or --clients too few\n",
               result->unsent);
    print_outcomes(result);
}

static void put_outcomes(struct json_doc *doc, struct json_node *root,
                         const struct load_result *result)
{
    struct json_node *errors = json_node_put_array(doc, root, "errors");
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct load_outcome *outcome = &result->outcomes[i];
        if (outcome->status == 200)
            continue;
        struct json_node *node = json_node_put_object(doc, errors, NULL);
        json_node_put_integer(doc, node, "status", outcome->status);
        json_node_put_integer(doc, node, "count", (int64_t)outcome->count);
        if (outcome->status == 0)
            document_put_text(doc, node, "detail", outcome->why);
    }
}

static enum status print_json(const struct load_options *options, const struct load_result *result,
                              struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return command_print_json(NULL, error);
    struct json_node *root = json_doc_root(doc);
    document_put_text(doc, root, "url", options->url);
    json_node_put_integer(doc, root, "clients", options->clients);
    if (options->rate_per_second > 0)
        json_node_put_number(doc, root, "rate", options->rate_per_second);
    json_node_put_integer(doc, root, "images", (int64_t)options->image_count);
    json_node_put_integer(doc, root, "answered", (int64_t)result->answered);
    json_node_put_number(doc, root, "seconds", (double)result->elapsed_us / 1e6);
    json_node_put_number(doc, root, "images_per_second", images_per_second(result));
    struct json_node *latency = json_node_put_object(doc, root, "latency_ms");
    json_node_put_number(doc, latency, "p50", percentile_ms(result, 50));
    json_node_put_number(doc, latency, "p90", percentile_ms(result, 90));
    json_node_put_number(doc, latency, "p99", percentile_ms(result, 99));
    json_node_put_integer(doc, root, "unsent", (int64_t)result->unsent);
    put_outcomes(doc, root, result);
    json_node_put_boolean(doc, root, "interrupted", result->is_stopped);
    return command_print_json(doc, error);
}

/* `images` has room for one a photograph. */
static enum status run_load(const struct command_call *call, const struct photographs *photographs,
                            struct span *images, bool *ret_has_errors, struct error *error)
{
    int64_t clients = 0, seconds = 0, rate = 0;
    (void)command_integer(call, "clients", &clients);
    (void)command_integer(call, "seconds", &seconds);
    (void)command_integer(call, "rate", &rate);
    for (size_t i = 0; i < photographs->count; i++)
        images[i] = (struct span){photographs->files[i].data, photographs->files[i].size_bytes};
    const struct load_options options = {.url = command_text(call, "url"),
                                         .images = images,
                                         .image_count = photographs->count,
                                         .clients = (unsigned)clients,
                                         .rate_per_second = (double)rate,
                                         .duration_us = (uint64_t)seconds * 1000000,
                                         .timeout_us = TIMEOUT_S * (uint64_t)1000000,
                                         .stop_fd = open_stop()};
    struct load_result result = {0};
    enum status status = load_run(&options, &result, error);
    if (options.stop_fd >= 0)
        (void)close(options.stop_fd);
    if (!status && command_flag(call, "json"))
        status = print_json(&options, &result, error);
    else if (!status)
        print_text(&options, &result);
    *ret_has_errors = count_errors(&result) > 0;
    load_result_fini(&result);
    return status;
}

int bench_url_run(const struct command_call *call)
{
    struct photographs photographs;
    struct error error = {0};
    bool has_errors = false;
    enum status status =
        photographs_init(&photographs, command_text(call, "images"), PHOTOGRAPHS_MOST, &error);
    struct span *images = alloc_array(photographs.count, sizeof *images, SIZE_MAX);
    if (!status && !images)
        status = error_set(&error, STATUS_NO_MEMORY, "no memory for the list of images");
    if (!status)
        status = run_load(call, &photographs, images, &has_errors, &error);
    if (status)
        command_complain(call, "%s", error.text);
    free(images);
    photographs_fini(&photographs);
    return status || has_errors ? COMMAND_FAILED : COMMAND_OK;
}
