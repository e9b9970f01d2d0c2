/* One thread drives all clients; libcurl keeps their connections. */
#include "server/fetch/load.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "server/fetch/arrivals.h"

enum { MAX_FAILURES = 3, MAX_WAIT_MS = 1000 };

struct client {
    CURL *curl;
    uint64_t arrival_us; /* of the image under way */
    bool is_busy;
    unsigned failures; /* without an answer, in a row */
    char why[CURL_ERROR_SIZE];
};

struct load {
    const struct load_options *options;
    CURLM *multi;
    struct curl_slist *headers;
    char *url; /* owned by libcurl */
    struct client *clients;
    size_t next_image, started, busy;
    uint64_t start_us, last_us;
    struct arrivals arrivals; /* at a rate */
    int timer_fd;             /* readable when the next image arrives and a client is free */
    struct load_result result;
};

static size_t drop_body(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    return size * count;
}

/* The URL as libcurl spells it, with a path. */
static enum status resolve_url(struct load *load, struct error *error)
{
    CURLU *url = curl_url();
    char *path = NULL, *scheme = NULL;
    CURLUcode code =
        url ? curl_url_set(url, CURLUPART_URL, load->options->url, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        code = CURLUE_UNSUPPORTED_SCHEME;
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PATH, &path, 0);
    if (code == CURLUE_OK && strcmp(path, "/") == 0)
        code = curl_url_set(url, CURLUPART_PATH, "/classify", 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_URL, &load->url, 0);
    curl_free(path);
    curl_free(scheme);
    curl_url_cleanup(url);
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
    if (code == CURLUE_BAD_SCHEME || code == CURLUE_UNSUPPORTED_SCHEME)
        return error_set(error, STATUS_BAD_REQUEST,
                         "%s: not a URL that begins with http:// or https://", load->options->url);
    if (code != CURLUE_OK)
        return error_set(error, STATUS_BAD_REQUEST, "%s: %s", load->options->url,
                         curl_url_strerror(code));
    return STATUS_OK;
}

static bool set_up(const struct load *load, struct client *client)
{
    CURL *curl = client->curl;
    long timeout_ms = (long)(load->options->timeout_us / 1000);
    return curl_easy_setopt(curl, CURLOPT_URL, load->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, load->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "classifyd/" CLASSIFYD_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PRIVATE, client) == CURLE_OK;
}

static enum status init_clients(struct load *load, struct error *error)
{
    unsigned count = load->options->clients;
    load->clients = alloc_array(count, sizeof *load->clients, SIZE_MAX);
    load->result.latencies_us =
        alloc_array(LOAD_MOST_ANSWERS, sizeof *load->result.latencies_us, SIZE_MAX);
    load->multi = curl_multi_init();
    /* The body goes out at once, without asking whether it may. */
    load->headers = curl_slist_append(NULL, "Expect:");
    struct curl_slist *longer =
        curl_slist_append(load->headers, "Content-Type: application/octet-stream");
    if (!load->clients || !load->result.latencies_us || !load->multi || !longer)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %u clients", count);
    for (unsigned i = 0; i < count; i++) {
        load->clients[i].curl = curl_easy_init();
        if (!load->clients[i].curl)
            return error_set(error, STATUS_NO_MEMORY, "no memory for %u clients", count);
        if (!set_up(load, &load->clients[i]))
            return error_set(error, STATUS_INTERNAL, "this libcurl cannot post");
    }
    if (curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)count) != CURLM_OK)
        return error_set(error, STATUS_INTERNAL, "this libcurl cannot keep connections");
    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (load->timer_fd < 0)
        return error_set(error, STATUS_IO, "no descriptor for a timer: %s", strerror(errno));
    return STATUS_OK;
}

static void load_fini(struct load *load)
{
    for (unsigned i = 0; load->clients && i < load->options->clients; i++) {
        if (load->clients[i].is_busy)
            (void)curl_multi_remove_handle(load->multi, load->clients[i].curl);
        curl_easy_cleanup(load->clients[i].curl);
    }
    (void)curl_multi_cleanup(load->multi);
    if (load->timer_fd >= 0)
        (void)close(load->timer_fd);
    curl_slist_free_all(load->headers);
    curl_free(load->url);
    free(load->clients);
}

static bool has_rate(const struct load *load)
{
    return load->options->rate_per_second > 0;
}

/* Without a rate each client asks once at least. */
static bool is_over(const struct load *load, uint64_t now_us)
{
    bool have_all_asked = has_rate(load) || load->started >= load->options->clients;
    return (now_us - load->start_us >= load->options->duration_us && have_all_asked) ||
           load->started == LOAD_MOST_ANSWERS;
}

static enum status start_request(struct load *load, struct client *client, uint64_t arrival_us,
                                 struct error *error)
{
    struct span image = load->options->images[load->next_image++ % load->options->image_count];
    client->why[0] = '\0';
    client->arrival_us = arrival_us;
    if (curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)image.size) !=
            CURLE_OK ||
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, image.data) != CURLE_OK ||
        curl_multi_add_handle(load->multi, client->curl) != CURLM_OK)
        return error_set(error, STATUS_INTERNAL, "libcurl does not take a request");
    client->is_busy = true;
    load->busy++;
    load->started++;
    return STATUS_OK;
}

static void count_outcome(struct load_result *result, long status, const char *why)
{
    struct load_outcome *outcome = result->outcomes, *end = outcome + result->outcome_count;
    while (outcome < end && outcome->status != status)
        outcome++;
    if (outcome == end && result->outcome_count == LOAD_MOST_OUTCOMES) {
        result->unlisted++;
        return;
    }
    if (outcome == end) {
        result->outcome_count++;
        outcome->status = status;
        (void)snprintf(outcome->why, sizeof outcome->why, "%.*s", (int)sizeof outcome->why - 1,
                       why);
    }
    outcome->count++;
}

static void end_request(struct load *load, struct client *client, CURLcode code)
{
    long status = 0;
    uint64_t now_us = clock_now_us();
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    client->failures = status == 0 ? client->failures + 1 : 0;
    if (status == 200)
        load->result.latencies_us[load->result.answered++] = now_us - client->arrival_us;
    if (status != 0)
        load->last_us = now_us;
    count_outcome(&load->result, status,
                  status != 0    ? ""
                  : *client->why ? client->why
                                 : curl_easy_strerror(code));
    (void)curl_multi_remove_handle(load->multi, client->curl);
    client->is_busy = false;
    load->busy--;
}

static void take_ended(struct load *load)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(load->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct client *client = NULL;
        CURLcode code = message->data.result; /* the message goes with its handle */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&client);
        end_request(load, client, code);
    }
}

/* A client with nothing to do that has not given up; NULL: none. */
static struct client *free_client(const struct load *load)
{
    for (unsigned i = 0; i < load->options->clients; i++)
        if (!load->clients[i].is_busy && load->clients[i].failures < MAX_FAILURES)
            return &load->clients[i];
    return NULL;
}

static bool has_arrived(const struct load *load, uint64_t now_us)
{
    return !has_rate(load) || arrivals_due_us(&load->arrivals) <= now_us;
}

/* Gives what is to be asked by now to the clients that are free. */
static enum status start_requests(struct load *load, struct error *error)
{
    enum status status = STATUS_OK;
    struct client *client;
    uint64_t now_us = clock_now_us();
    while (!status && !is_over(load, now_us) && has_arrived(load, now_us) &&
           (client = free_client(load))) {
        uint64_t arrival_us = has_rate(load) ? arrivals_due_us(&load->arrivals) : now_us;
        status = start_request(load, client, arrival_us, error);
        if (has_rate(load))
            arrivals_pass(&load->arrivals);
    }
    return status;
}

/* Whether something is under way or will be. */
static bool goes_on(const struct load *load)
{
    return load->busy > 0 ||
           (has_rate(load) && !is_over(load, clock_now_us()) && free_client(load));
}

/* The timer counts in the clock's microseconds: both are CLOCK_MONOTONIC. A moment that has passed
 * makes it ready at once. It is off where only an answer helps: all clients are busy, or the time
 * is over. */
static void set_timer(const struct load *load)
{
    enum { SECOND_US = 1000000 };
    struct itimerspec when = {0};
    if (has_rate(load) && free_client(load) && !is_over(load, clock_now_us())) {
        uint64_t end_us = load->start_us + load->options->duration_us;
        uint64_t due_us = arrivals_due_us(&load->arrivals);
        due_us = due_us < end_us ? due_us : end_us;
        when.it_value.tv_sec = (time_t)(due_us / SECOND_US);
        when.it_value.tv_nsec = (long)(due_us % SECOND_US) * 1000;
    }
    (void)timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Until an answer, an arrival or the wish to stop. */
static enum status wait(struct load *load, int running, struct error *error)
{
    struct curl_waitfd extra[2] = {{.fd = load->timer_fd, .events = CURL_WAIT_POLLIN},
                                   {.fd = load->options->stop_fd, .events = CURL_WAIT_POLLIN}};
    unsigned extra_count = load->options->stop_fd >= 0 ? 2 : 1;
    /* What was begun just now is to be sent before anything is waited for. */
    int wait_ms = load->busy > (size_t)running ? 0 : MAX_WAIT_MS;
    set_timer(load);
    if (curl_multi_poll(load->multi, extra, extra_count, wait_ms, NULL) != CURLM_OK)
        return error_set(error, STATUS_INTERNAL, "libcurl has given up");
    load->result.is_stopped = extra[1].revents != 0;
    return STATUS_OK;
}

static enum status drive(struct load *load, struct error *error)
{
    enum status status = start_requests(load, error);
    while (!status && goes_on(load) && !load->result.is_stopped) {
        int running;
        if (curl_multi_perform(load->multi, &running) != CURLM_OK)
            return error_set(error, STATUS_INTERNAL, "libcurl has given up");
        take_ended(load);
        status = start_requests(load, error);
        if (!status && goes_on(load))
            status = wait(load, running, error);
    }
    return status;
}

/* Images that arrived while the clients were all waiting for answers, until the end. */
static size_t count_unsent(struct load *load)
{
    size_t count = 0;
    uint64_t end_us = load->start_us + load->options->duration_us;
    if (load->last_us < end_us)
        end_us = load->last_us; /* interrupted */
    while (has_rate(load) && count < LOAD_MOST_ANSWERS &&
           arrivals_due_us(&load->arrivals) < end_us) {
        arrivals_pass(&load->arrivals);
        count++;
    }
    return count;
}

static size_t arrival_count(const struct load_options *options)
{
    double count = options->rate_per_second * (double)options->duration_us / 1e6;
    return count < LOAD_MOST_ANSWERS ? (size_t)(count + 0.5) : LOAD_MOST_ANSWERS;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

enum status load_run(const struct load_options *options, struct load_result *ret_result,
                     struct error *error)
{
    struct load load = {.options = options, .timer_fd = -1};
    enum status status = STATUS_OK;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(error, STATUS_INTERNAL, "libcurl does not start");
    status = resolve_url(&load, error);
    if (!status)
        status = init_clients(&load, error);
    load.start_us = load.last_us = clock_now_us();
    if (has_rate(&load))
        arrivals_init(&load.arrivals, arrival_count(options), load.start_us, options->duration_us);
    if (!status)
        status = drive(&load, error);
    load.result.unsent = count_unsent(&load);
    load.result.elapsed_us = load.last_us - load.start_us;
    load_fini(&load);
    if (status) {
        load_result_fini(&load.result);
        return status;
    }
    qsort(load.result.latencies_us, load.result.answered, sizeof *load.result.latencies_us,
          compare_times);
    *ret_result = load.result;
    return STATUS_OK;
}

void load_result_fini(struct load_result *result)
{
    free(result->latencies_us);
    *result = (struct load_result){0};
}
