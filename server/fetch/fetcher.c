/* Owns the thread and the order of things; what one request to one server is, transfer.c knows. */
#include "server/fetch/fetcher.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "server/fetch/authorities.h"
#include "server/fetch/fetch.h"
#include "server/fetch/transfer.h"

static const char draining[] = "the server is shutting down";

enum { SWEEP_US = 1000000, MAX_CONCURRENT = 1 << 16 };

struct slot {
    struct transfer *transfer;
    struct fetch *fetch; /* NULL: idle */
};

struct fetcher {
    struct fetcher_options options; /* without ca_file and proxy, which the transfers have taken */
    bool has_curl;                  /* libcurl was started */
    CURLM *multi;

    /* The thread's own. */
    struct slot *slots; /* [options.max_concurrent] */
    struct fetch_queue queue;
    uint64_t next_sweep_us;

    pthread_t thread;
    bool is_started;
    pthread_mutex_t mutex;
    /* guarded by mutex */
    struct fetch *inbox_first, *inbox_last;
    bool is_stopping;
};

/* A fetch that was just submitted. */
static void admit(struct fetcher *fetcher, struct fetch *fetch)
{
    struct error error = {0};
    enum problem_code code =
        fetch_set_url(fetch, fetcher->options.policy, fetch->request.url, &error);
    if (code != PROBLEM_NONE) {
        fetch_fail(fetch, code, error.text);
        return;
    }
    fetch_queue_put(&fetcher->queue, &fetch->entry);
    if (fetch->end_us < fetcher->next_sweep_us)
        fetcher->next_sweep_us = fetch->end_us;
}

static struct fetch *take_inbox(struct fetcher *fetcher, bool *ret_is_stopping)
{
    pthread_mutex_lock(&fetcher->mutex);
    struct fetch *first = fetcher->inbox_first;
    fetcher->inbox_first = fetcher->inbox_last = NULL;
    *ret_is_stopping = fetcher->is_stopping;
    pthread_mutex_unlock(&fetcher->mutex);
    return first;
}

static struct slot *find_idle(struct fetcher *fetcher)
{
    struct slot *slot = fetcher->slots;
    while (slot->fetch)
        slot++;
    return slot;
}

/* Asks the server of an entry that has become active. */
static void start(struct fetcher *fetcher, struct fetch *fetch)
{
    uint64_t now_us = clock_now_us();
    enum problem_code end = fetch_find_end(fetch, now_us);
    if (end != PROBLEM_NONE) {
        fetch_queue_end(&fetcher->queue, &fetch->entry);
        fetch_end_early(fetch, end);
        return;
    }
    fetch_begin_turn(fetch, now_us, fetcher->options.timeout_us);
    struct slot *slot = find_idle(fetcher);
    struct error error = {0};
    enum status status = transfer_begin(slot->transfer, &fetch->url, fetch->end_us - now_us,
                                        fetch->request.is_wanted, fetch->request.user, &error);
    if (status == STATUS_OK &&
        curl_multi_add_handle(fetcher->multi, transfer_handle(slot->transfer)) == CURLM_OK) {
        slot->fetch = fetch;
        return;
    }
    fetch_queue_end(&fetcher->queue, &fetch->entry);
    fetch_fail(fetch, PROBLEM_OVERLOADED, "no memory for a transfer");
}

static void start_turns(struct fetcher *fetcher)
{
    struct fetch_queue_entry *entry;
    while ((entry = fetch_queue_take(&fetcher->queue)) != NULL)
        start(fetcher, (struct fetch *)entry);
}

/* Goes on where the server sent us, before those that have not had a turn yet. */
static void follow(struct fetcher *fetcher, struct fetch *fetch, const char *target)
{
    struct error error = {0};
    char detail[sizeof error.text + 64];
    if (fetch->redirects == fetcher->options.max_redirects) {
        (void)snprintf(detail, sizeof detail, "it redirects more than %u times",
                       fetcher->options.max_redirects);
        fetch_fail(fetch, PROBLEM_FETCH_FAILED, detail);
        return;
    }
    fetch->redirects++;
    enum problem_code code = fetch_set_url(fetch, fetcher->options.policy, target, &error);
    if (code == PROBLEM_NONE) {
        fetch_queue_put_first(&fetcher->queue, &fetch->entry);
        return;
    }
    (void)snprintf(detail, sizeof detail, "it redirects to a URL that is refused: %s", error.text);
    fetch_fail(fetch, code == PROBLEM_BAD_REQUEST ? PROBLEM_FETCH_FAILED : code, detail);
}

/* Takes a fetch out of its slot; what libcurl has of it is gone then. */
static struct fetch *stop(struct fetcher *fetcher, struct slot *slot, CURLcode code,
                          struct transfer_result *ret_result)
{
    struct fetch *fetch = slot->fetch;
    (void)curl_multi_remove_handle(fetcher->multi, transfer_handle(slot->transfer));
    transfer_finish(slot->transfer, (int)code, ret_result);
    slot->fetch = NULL;
    fetch_queue_end(&fetcher->queue, &fetch->entry);
    return fetch;
}

/* What has come of it so far is thrown away. */
static struct fetch *break_off(struct fetcher *fetcher, struct slot *slot)
{
    struct transfer_result result;
    struct fetch *fetch = stop(fetcher, slot, CURLE_ABORTED_BY_CALLBACK, &result);
    blob_release(result.blob);
    free(result.redirect);
    return fetch;
}

static void complete(struct fetcher *fetcher, struct slot *slot, CURLcode code)
{
    struct transfer_result result;
    struct fetch *fetch = stop(fetcher, slot, code, &result);
    if (result.problem.code != PROBLEM_NONE) {
        fetch_fail(fetch, result.problem.code, result.problem.detail);
    } else if (result.redirect) {
        follow(fetcher, fetch, result.redirect);
        free(result.redirect);
    } else {
        fetch_succeed(fetch, result.blob);
    }
}

static void complete_all(struct fetcher *fetcher)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            complete(fetcher, transfer_user(message->easy_handle), message->data.result);
}

static void break_off_all(struct fetcher *fetcher, enum problem_code code, const char *detail)
{
    for (unsigned i = 0; i < fetcher->options.max_concurrent; i++)
        if (fetcher->slots[i].fetch)
            fetch_fail(break_off(fetcher, &fetcher->slots[i]), code, detail);
}

/* Once a second, or when the time of one that waits is up: lets go of what nobody waits for. */
static void sweep(struct fetcher *fetcher, uint64_t now_us)
{
    fetcher->next_sweep_us = now_us + SWEEP_US;
    for (unsigned i = 0; i < fetcher->options.max_concurrent; i++) {
        struct slot *slot = &fetcher->slots[i];
        if (slot->fetch && !fetch_is_wanted(slot->fetch))
            fetch_end_early(break_off(fetcher, slot), PROBLEM_CLIENT_GONE);
    }
    struct fetch_queue_entry *next;
    for (struct fetch_queue_entry *at = fetcher->queue.waiting.first; at; at = next) {
        struct fetch *fetch = (struct fetch *)at;
        enum problem_code end = fetch_find_end(fetch, now_us);
        next = at->next;
        if (end != PROBLEM_NONE) {
            fetch_queue_remove(&fetcher->queue, at);
            fetch_end_early(fetch, end);
        } else if (fetch->end_us < fetcher->next_sweep_us) {
            fetcher->next_sweep_us = fetch->end_us;
        }
    }
}

/* Sleeps until the network, a submission, the next sweep or the stop. */
static CURLMcode wait(struct fetcher *fetcher)
{
    const struct fetch_queue *queue = &fetcher->queue;
    int timeout_ms = INT32_MAX;
    if (queue->waiting.count + queue->active.count > 0) {
        uint64_t now_us = clock_now_us(), until_us = fetcher->next_sweep_us;
        timeout_ms = until_us > now_us ? (int)((until_us - now_us + 999) / 1000) : 0;
    }
    return curl_multi_poll(fetcher->multi, NULL, 0, timeout_ms, NULL);
}

static void fail_all(struct fetch *inbox)
{
    while (inbox) {
        struct fetch *fetch = inbox;
        inbox = fetch->next;
        fetch_fail(fetch, PROBLEM_DRAINING, draining);
    }
}

static void drain(struct fetcher *fetcher)
{
    bool is_stopping;
    struct fetch *inbox;
    break_off_all(fetcher, PROBLEM_DRAINING, draining);
    while (fetcher->queue.waiting.first) {
        struct fetch *fetch = (struct fetch *)fetcher->queue.waiting.first;
        fetch_queue_remove(&fetcher->queue, &fetch->entry);
        fetch_fail(fetch, PROBLEM_DRAINING, draining);
    }
    /* Again, as `done` may have submitted another. */
    while ((inbox = take_inbox(fetcher, &is_stopping)) != NULL)
        fail_all(inbox);
}

static void *fetcher_main(void *user)
{
    struct fetcher *fetcher = user;
    bool is_stopping;
    struct fetch *inbox = take_inbox(fetcher, &is_stopping);
    while (!is_stopping) {
        while (inbox) {
            struct fetch *fetch = inbox;
            inbox = fetch->next;
            admit(fetcher, fetch);
        }
        int running;
        CURLMcode code = curl_multi_perform(fetcher->multi, &running);
        complete_all(fetcher);
        uint64_t now_us = clock_now_us();
        if (now_us >= fetcher->next_sweep_us)
            sweep(fetcher, now_us);
        start_turns(fetcher);
        if (code == CURLM_OK)
            code = wait(fetcher);
        /* Out of memory; with nothing on its way, nothing can fail that way again. */
        if (code != CURLM_OK)
            break_off_all(fetcher, PROBLEM_OVERLOADED, curl_multi_strerror(code));
        inbox = take_inbox(fetcher, &is_stopping);
    }
    fail_all(inbox);
    drain(fetcher);
    return NULL;
}

static enum status make_slots(struct fetcher *fetcher, const struct fetcher_options *options,
                              struct error *error)
{
    const struct transfer_options transfer_options = {
        .policy = options->policy,
        .budget = options->budget,
        .max_bytes = options->max_bytes,
        .connect_timeout_us = options->connect_timeout_us,
        .ca_file = options->ca_file,
        .proxy = options->proxy,
    };
    fetcher->slots = alloc_array(options->max_concurrent, sizeof *fetcher->slots,
                                 MAX_CONCURRENT * sizeof *fetcher->slots);
    if (!fetcher->slots)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %u transfers",
                         options->max_concurrent);
    enum status status = STATUS_OK;
    for (unsigned i = 0; status == STATUS_OK && i < options->max_concurrent; i++)
        status = transfer_create(&transfer_options, &fetcher->slots[i], &fetcher->slots[i].transfer,
                                 error);
    return status;
}

/* The thread takes no signals, nor do those that libcurl starts for names: SIGPIPE would otherwise
 * come of a TLS connection that the server has closed. */
static enum status start_thread(struct fetcher *fetcher, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    fetcher->is_started = pthread_create(&fetcher->thread, NULL, fetcher_main, fetcher) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!fetcher->is_started)
        return error_set(error, STATUS_NO_MEMORY, "could not start a thread for fetching");
    (void)pthread_setname_np(fetcher->thread, "fetch");
    return STATUS_OK;
}

static enum status set_up(struct fetcher *fetcher, const struct fetcher_options *options,
                          struct error *error)
{
    bool has_proxy = options->proxy && *options->proxy;
    bool has_ca_file = options->ca_file && *options->ca_file;
    if (has_proxy && !url_policy_has_allow_hosts(options->policy))
        return error_set(error, STATUS_BAD_REQUEST,
                         "with a proxy only the proxy's address can be judged: list the hosts that "
                         "may be fetched from in fetch.allow_hosts");
    if (has_ca_file) {
        enum status status = authorities_check_file(options->ca_file, error);
        if (status != STATUS_OK)
            return status;
    }
    /* Counted and locked by libcurl itself: download.c may do the same at the same time. */
    fetcher->has_curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!fetcher->has_curl)
        return error_set(error, STATUS_INTERNAL, "libcurl could not be started");
    fetcher->multi = curl_multi_init();
    if (!fetcher->multi || curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS,
                                             (long)options->max_concurrent) != CURLM_OK)
        return error_set(error, STATUS_NO_MEMORY, "no memory for fetching");
    enum status status = make_slots(fetcher, options, error);
    return status == STATUS_OK ? start_thread(fetcher, error) : status;
}

enum status fetcher_create(const struct fetcher_options *options, struct fetcher **ret_fetcher,
                           struct error *error)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return error_set(error, STATUS_NO_MEMORY, "no memory for fetching");
    fetcher->options = *options;
    fetcher->options.ca_file = fetcher->options.proxy = NULL;
    fetcher->queue = (struct fetch_queue){.max_active = options->max_concurrent,
                                          .max_active_per_host = options->max_concurrent_per_host};
    pthread_mutex_init(&fetcher->mutex, NULL);
    enum status status = set_up(fetcher, options, error);
    if (status == STATUS_OK)
        *ret_fetcher = fetcher;
    else
        fetcher_destroy(fetcher);
    return status;
}

enum status fetcher_submit(struct fetcher *fetcher, const struct fetcher_request *request,
                           struct error *error)
{
    struct fetch *fetch = fetch_create(request);
    if (!fetch)
        return error_set(error, STATUS_NO_MEMORY, "no memory to fetch an image");
    pthread_mutex_lock(&fetcher->mutex);
    if (fetcher->inbox_last)
        fetcher->inbox_last->next = fetch;
    else
        fetcher->inbox_first = fetch;
    fetcher->inbox_last = fetch;
    pthread_mutex_unlock(&fetcher->mutex);
    (void)curl_multi_wakeup(fetcher->multi);
    return STATUS_OK;
}

void fetcher_destroy(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    if (fetcher->is_started) {
        pthread_mutex_lock(&fetcher->mutex);
        fetcher->is_stopping = true;
        pthread_mutex_unlock(&fetcher->mutex);
        (void)curl_multi_wakeup(fetcher->multi);
        pthread_join(fetcher->thread, NULL);
    }
    for (unsigned i = 0; fetcher->slots && i < fetcher->options.max_concurrent; i++)
        transfer_destroy(fetcher->slots[i].transfer);
    free(fetcher->slots);
    (void)curl_multi_cleanup(fetcher->multi);
    if (fetcher->has_curl)
        curl_global_cleanup();
    pthread_mutex_destroy(&fetcher->mutex);
    free(fetcher);
}
