/* One thread drives all clients; libcurl keeps their connections. */
#include "server/fetch/load.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"

enum { MAX_FAILURES = 3, MAX_WAIT_MS = 1000 };

struct client {
    CURL *curl;
    uint64_t start_us; /* of the request under way */
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
    curl_slist_free_all(load->headers);
    curl_free(load->url);
    free(load->clients);
}

static bool is_over(const struct load *load, uint64_t now_us)
{
    return now_us - load->start_us >= load->options->duration_us ||
           load->started == LOAD_MOST_ANSWERS;
}

static enum status start_request(struct load *load, struct client *client, struct error *error)
{
    struct span image = load->options->images[load->next_image++ % load->options->image_count];
    client->why[0] = '\0';
    client->start_us = clock_now_us();
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
        load->result.latencies_us[load->result.answered++] = now_us - client->start_us;
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

/* Takes what has ended, and asks again with those clients. */
static enum status take_ended(struct load *load, struct error *error)
{
    int left;
    CURLMsg *message;
    enum status status = STATUS_OK;
    while (!status && (message = curl_multi_info_read(load->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct client *client = NULL;
        CURLcode code = message->data.result; /* the message goes with its handle */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&client);
        end_request(load, client, code);
        if (client->failures < MAX_FAILURES && !is_over(load, clock_now_us()))
            status = start_request(load, client, error);
    }
    return status;
}

static enum status drive(struct load *load, struct error *error)
{
    struct curl_waitfd stop = {.fd = load->options->stop_fd, .events = CURL_WAIT_POLLIN};
    unsigned stop_count = stop.fd >= 0 ? 1 : 0;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < load->options->clients && !status; i++)
        status = start_request(load, &load->clients[i], error);
    while (!status && load->busy > 0 && !load->result.is_stopped) {
        int running;
        if (curl_multi_perform(load->multi, &running) != CURLM_OK)
            return error_set(error, STATUS_INTERNAL, "libcurl has given up");
        status = take_ended(load, error);
        /* What was begun just now is to be sent before anything is waited for. */
        int wait_ms = load->busy > (size_t)running ? 0 : MAX_WAIT_MS;
        if (!status && load->busy > 0 &&
            curl_multi_poll(load->multi, &stop, stop_count, wait_ms, NULL) != CURLM_OK)
            return error_set(error, STATUS_INTERNAL, "libcurl has given up");
        load->result.is_stopped = stop_count > 0 && stop.revents != 0;
    }
    return status;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

enum status load_run(const struct load_options *options, struct load_result *ret_result,
                     struct error *error)
{
    struct load load = {.options = options};
    enum status status = STATUS_OK;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(error, STATUS_INTERNAL, "libcurl does not start");
    status = resolve_url(&load, error);
    if (!status)
        status = init_clients(&load, error);
    load.start_us = load.last_us = clock_now_us();
    if (!status)
        status = drive(&load, error);
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
