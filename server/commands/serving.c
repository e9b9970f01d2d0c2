#include "server/commands/serving.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "model/base/clock.h"
#include "server/api/native.h"
#include "server/api/service.h"
#include "server/commands/library.h"
#include "server/config/cpu_count.h"
#include "server/fetch/fetcher.h"
#include "server/http/http_server.h"
#include "server/models/loader.h"
#include "server/notify.h"

enum { MAX_PORTS = 256 };

/* Everything that lives as long as the service, in the order in which it is made. */
struct serving {
    const struct config *config;
    struct log *log;
    struct metrics *metrics;
    struct budget budget; /* of bodies and fetched images */
    struct library library;
    struct registry *registry;
    struct url_policy *policy;
    struct fetcher *fetcher;
    struct pipeline *pipeline;
    struct native *native;
    struct service *service;
    struct adapter adapters[2];
    struct http_server *http;
    struct loader *loader;
    int signal_fd; /* SIGTERM, SIGINT, SIGHUP arrive here */
    int loaded_fd; /* readable once when the loader's models are there, and once when it has ended
                    */
    bool is_loaded;
};

static uint64_t ms(int64_t milliseconds)
{
    return (uint64_t)milliseconds * 1000;
}

static unsigned threads_or_cpus(int64_t configured)
{
    return configured > 0 ? (unsigned)configured : cpu_count_usable();
}

/* The texts of a list with `mark` between them. NULL without memory. Returns owned, free(). */
static char *join(const struct config_list *list, char mark)
{
    size_t size = 1;
    for (size_t i = 0; i < list->count; i++)
        size += strlen(list->values[i]) + 1;
    char *text = calloc(1, size), *end = text;
    for (size_t i = 0; text && i < list->count; i++) {
        if (i > 0)
            *end++ = mark;
        end = stpcpy(end, list->values[i]);
    }
    return text;
}

/* Threads of the event loop: they parse and format, which is little beside decoding and computing.
 */
static unsigned event_threads(const struct config *config)
{
    enum { CPUS_AN_EVENT_THREAD = 4, MAX_EVENT_THREADS = 8 };
    if (config->server.event_threads > 0)
        return (unsigned)config->server.event_threads;
    unsigned threads = 1 + cpu_count_usable() / CPUS_AN_EVENT_THREAD;
    return threads < MAX_EVENT_THREADS ? threads : MAX_EVENT_THREADS;
}

/* As many descriptors as we may have: each client is one, each fetch another. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what is too few shows in the limits derived */
    }
}

/* Blocked before the first thread is started, so that every thread has them blocked. */
static enum status block_signals(struct serving *serving, struct error *error)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    serving->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    serving->loaded_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    if (serving->signal_fd < 0 || serving->loaded_fd < 0)
        return error_set(error, STATUS_IO, "no descriptor for signals: %s", strerror(errno));
    return STATUS_OK;
}

static enum status open_log(struct serving *serving, struct error *error)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const formats[] = {"auto", "logfmt", "json"};
    struct log_options options = {.fd = STDERR_FILENO};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(levels[i], serving->config->log.level) == 0)
            options.level = (enum log_level)i;
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(formats[i], serving->config->log.format) == 0)
            options.format = (enum log_format)i;
    return log_create(&options, &serving->log, error);
}

static enum status open_metrics(struct serving *serving, struct error *error)
{
    enum status status = metrics_create(&serving->metrics, error);
    if (!status)
        metrics_gauge_watch(serving->metrics, METRICS_REQUEST_BYTES, &serving->budget.used_bytes);
    return status;
}

static enum status open_models(struct serving *serving, struct error *error)
{
    const struct config *config = serving->config;
    char *folders = join(&config->model.dirs, ':');
    if (!folders)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the list of model folders");
    enum status status =
        library_init_from(&serving->library, config->model.dirs.count > 0 ? folders : NULL,
                          *config->model.catalogue ? config->model.catalogue : NULL, error);
    free(folders);
    if (status)
        return status;
    return registry_create(config->models.values, config->models.count, &serving->registry, error);
}

static enum status read_ports(const struct config_list *list, uint16_t ports[MAX_PORTS],
                              size_t *ret_count, struct error *error)
{
    if (list->count > MAX_PORTS)
        return error_set(error, STATUS_BAD_REQUEST, "fetch.allow_ports: more than %d ports",
                         MAX_PORTS);
    for (size_t i = 0; i < list->count; i++) {
        char *end;
        unsigned long port = strtoul(list->values[i], &end, 10);
        if (*end || end == list->values[i] || port == 0 || port > UINT16_MAX)
            return error_set(error, STATUS_BAD_REQUEST, "fetch.allow_ports: \"%s\" is no port",
                             list->values[i]);
        ports[i] = (uint16_t)port;
    }
    *ret_count = list->count;
    return STATUS_OK;
}

static enum status make_policy(const struct config *config, struct url_policy **ret_policy,
                               struct error *error)
{
    uint16_t ports[MAX_PORTS];
    struct url_policy_options policy = {
        .allow_hosts = config->fetch.allow_hosts.values,
        .allow_host_count = config->fetch.allow_hosts.count,
        .allow_networks = config->fetch.allow_networks.values,
        .allow_network_count = config->fetch.allow_networks.count,
        .allow_ports = ports,
    };
    enum status status =
        read_ports(&config->fetch.allow_ports, ports, &policy.allow_port_count, error);
    return status ? status : url_policy_create(&policy, ret_policy, error);
}

static enum status open_fetcher(struct serving *serving, struct error *error)
{
    const struct config *config = serving->config;
    if (!config->fetch.enabled)
        return STATUS_OK;
    enum status status = make_policy(config, &serving->policy, error);
    if (status)
        return status;
    struct fetcher_options options = {
        .policy = serving->policy,
        .budget = &serving->budget,
        .max_bytes = (size_t)config->fetch.max_bytes,
        .timeout_us = ms(config->fetch.timeout_ms),
        .connect_timeout_us = ms(config->fetch.connect_timeout_ms),
        .max_redirects = (unsigned)config->fetch.max_redirects,
        .max_concurrent = (unsigned)config->fetch.max_concurrent,
        .max_concurrent_per_host = (unsigned)config->fetch.max_concurrent_per_host,
        .ca_file = config->fetch.ca_file,
        .proxy = config->fetch.proxy,
    };
    return fetcher_create(&options, &serving->fetcher, error);
}

static enum status open_pipeline(struct serving *serving, struct error *error)
{
    const struct config *config = serving->config;
    struct pipeline_options options = {
        .registry = serving->registry,
        .fetcher = serving->fetcher,
        .metrics = serving->metrics,
        .prepare_threads = threads_or_cpus(config->prepare.threads),
        .engine_threads = threads_or_cpus(config->engine.threads),
        .max_batch = (size_t)config->engine.max_batch,
        .max_queue_delay_us = (uint64_t)config->engine.max_queue_delay_us,
        .image_limits = {.max_dimension_px = (uint32_t)config->limits.image_side_px,
                         .max_pixels = (uint64_t)config->limits.image_pixels},
        .decode_memory_bytes = (size_t)config->limits.decode_memory_bytes,
        .orient = config->prepare.orient,
        .scale_dct = config->prepare.scale_dct,
    };
    return pipeline_create(&options, &serving->pipeline, error);
}

static enum status open_http(struct serving *serving, struct error *error)
{
    const struct config *config = serving->config;
    struct http_server_options options = {
        .host = config->server.host,
        .port = (uint16_t)config->server.port,
        .event_threads = event_threads(config),
        .max_connections = (size_t)config->server.max_connections,
        .max_requests = (size_t)config->server.max_requests,
        .max_body_bytes = (size_t)config->limits.body_bytes,
        .header_timeout_us = ms(config->server.header_timeout_ms),
        .body_timeout_us = ms(config->server.body_timeout_ms),
        .idle_timeout_us = ms(config->server.idle_timeout_ms),
        .send_timeout_us = ms(config->server.send_timeout_ms),
        .request_timeout_us = ms(config->server.request_timeout_ms),
        .allow_half_close = config->server.allow_half_close,
        .adapters = serving->adapters,
        .adapter_count = sizeof serving->adapters / sizeof *serving->adapters,
        .pipeline = serving->pipeline,
        .budget = &serving->budget,
        .metrics = serving->metrics,
        .log = serving->log,
    };
    return http_server_create(&options, &serving->http, error);
}

/* Of the event threads, for /healthz. */
static void tell_memory(void *user, struct service_memory *ret_memory)
{
    const struct serving *serving = user;
    size_t total, locked;
    pipeline_memory(serving->pipeline, &total, &locked);
    for (size_t i = 0; i < registry_count(serving->registry); i++) {
        const struct model *model = registry_entry_model(registry_at(serving->registry, i));
        size_t bytes = 0, locked_bytes = 0;
        if (model)
            engine_memory(model_engine(model), &bytes, &locked_bytes);
        total += bytes;
        locked += locked_bytes;
    }
    *ret_memory = (struct service_memory){.total_bytes = total, .locked_bytes = locked};
}

static enum status open_adapters(struct serving *serving, struct error *error)
{
    const struct config *config = serving->config;
    struct native_options native = {.registry = serving->registry,
                                    .budget = &serving->budget,
                                    .max_images = (size_t)config->limits.images};
    enum status status = native_create(&native, &serving->native, error);
    if (status)
        return status;
    struct service_options service = {.registry = serving->registry,
                                      .metrics = serving->metrics,
                                      .cpu_threads = threads_or_cpus(config->engine.threads),
                                      .has_page = config->server.page,
                                      .memory = tell_memory,
                                      .user = serving};
    status = service_create(&service, &serving->service, error);
    if (status)
        return status;
    serving->adapters[0] = native_adapter(serving->native);
    serving->adapters[1] = service_adapter(serving->service);
    return STATUS_OK;
}

static enum status open_lane(void *user, struct registry_entry *entry, struct error *error)
{
    struct serving *serving = user;
    return pipeline_open_lane(serving->pipeline, entry, error);
}

/* On the loader's thread: the main thread goes on. */
static void tell_main(void *user)
{
    const struct serving *serving = user;
    (void)!write(serving->loaded_fd, &(uint64_t){1}, sizeof(uint64_t));
}

static enum status open_loader(struct serving *serving, struct error *error)
{
    const struct config *config = serving->config;
    struct loader_options options = {
        .registry = serving->registry,
        .library = &serving->library.view,
        .model = {.engine = {.kernels = config->engine.kernels,
                             .precision = config->engine.precision,
                             .threads = threads_or_cpus(config->engine.threads),
                             .lock_memory = config->engine.lock_memory},
                  .cache = config->model.cache,
                  .user_cache = serving->library.user_cache},
        .self_check = config->engine.self_check,
        .check_batch = (size_t)config->engine.max_batch,
        .check_threads = threads_or_cpus(config->engine.threads),
        .log = serving->log,
        .metrics = serving->metrics,
        .open_lane = open_lane,
        .all_ended = tell_main,
        .all_stored = tell_main,
        .user = serving,
    };
    return loader_create(&options, &serving->loader, error);
}

/* Listens before the models are loaded: /livez says yes at once, /readyz when they are. */
static enum status serving_init(struct serving *serving, const struct config *config,
                                struct error *error)
{
    *serving = (struct serving){.config = config,
                                .budget = {.limit_bytes = (size_t)config->limits.memory_bytes},
                                .signal_fd = -1,
                                .loaded_fd = -1};
    static enum status (*const steps[])(struct serving *, struct error *) = {
        block_signals, open_log,      open_metrics, open_models, open_fetcher,
        open_pipeline, open_adapters, open_http,    open_loader,
    };
    raise_descriptor_limit();
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !status; i++)
        status = steps[i](serving, error);
    return status;
}

static void serving_fini(struct serving *serving)
{
    loader_destroy(serving->loader);
    http_server_destroy(serving->http);
    fetcher_destroy(serving->fetcher); /* what it still held arrives in the pipeline */
    pipeline_destroy(serving->pipeline);
    service_destroy(serving->service);
    native_destroy(serving->native);
    url_policy_destroy(serving->policy);
    registry_destroy(serving->registry);
    library_fini(&serving->library);
    metrics_destroy(serving->metrics);
    log_destroy(serving->log);
    if (serving->loaded_fd >= 0)
        (void)close(serving->loaded_fd);
    if (serving->signal_fd >= 0)
        (void)close(serving->signal_fd);
}

static void log_event(const struct serving *serving, const char *event, const char *key,
                      const char *text)
{
    log_write(serving->log, LOG_INFO, event,
              (struct log_field[]){LOG_FIELD_TEXT(key, text), LOG_FIELD_END});
}

/* What a person pastes. Where both streams are collected together, as a container's are, it would
 * be the one thing among the log's lines that is none. */
static void print_welcome(const struct serving *serving)
{
    if (!isatty(STDOUT_FILENO))
        return;
    const char *url = http_server_url(serving->http);
    char by_name[64];
    if (strcmp(serving->config->server.host, "localhost") == 0) {
        (void)snprintf(by_name, sizeof by_name, "http://localhost%s", strrchr(url, ':'));
        url = by_name;
    }
    printf("\nclassifyd answers at %s   (Ctrl-C ends it)\n\n"
           "  curl -s %s/sample.jpg | curl --data-binary @- %s/classify\n\n",
           url, url, url);
    (void)fflush(stdout);
}

/* The first reason why a model is not served. */
static enum status check_models(const struct serving *serving, struct error *error)
{
    for (size_t i = 0; i < registry_count(serving->registry); i++) {
        const struct registry_entry *entry = registry_at(serving->registry, i);
        if (registry_entry_state(entry) == REGISTRY_FAILED)
            return error_set(error, STATUS_BAD_MODEL, "%s", registry_entry_reason(entry));
    }
    return STATUS_OK;
}

/* With what the welcome says, where nobody sees that. */
static void log_ready(const struct serving *serving)
{
    char try_it[256];
    const char *url = http_server_url(serving->http);
    (void)snprintf(try_it, sizeof try_it,
                   "curl -s %s/sample.jpg | curl --data-binary @- %s/classify", url, url);
    log_write(serving->log, LOG_INFO, "ready",
              (struct log_field[]){LOG_FIELD_TEXT("url", url),
                                   LOG_FIELD_TEXT("try", isatty(STDOUT_FILENO) ? NULL : try_it),
                                   LOG_FIELD_END});
}

static enum status go_ready(struct serving *serving, struct error *error)
{
    enum status status = check_models(serving, error);
    if (status)
        return status;
    service_set_state(serving->service, SERVICE_SERVING);
    metrics_gauge_set(serving->metrics, METRICS_READY, 1);
    log_ready(serving);
    notify_send("READY=1");
    print_welcome(serving);
    return STATUS_OK;
}

/* The loader's first news is that the models are there, its second that its work is done: then it
 * is let go. Returns whether it was the first. */
static bool hear_loader(struct serving *serving)
{
    bool is_first = !serving->is_loaded;
    serving->is_loaded = true;
    if (!is_first) {
        loader_destroy(serving->loader); /* NULL where it is gone already */
        serving->loader = NULL;
    }
    return is_first;
}

static enum status take_news(struct serving *serving, struct error *error)
{
    return hear_loader(serving) ? go_ready(serving, error) : STATUS_OK;
}

/* The next signal that ends the service, or 0 after `timeout_us` (UINT64_MAX: none), or where the
 * loader has news. The watchdog is told in time that this thread goes round. */
static int wait_for_signal(struct serving *serving, uint64_t timeout_us, bool *ret_has_news)
{
    uint64_t watchdog_us = notify_watchdog_us() / 2, now_us = clock_now_us();
    uint64_t until_us = timeout_us > UINT64_MAX - now_us ? UINT64_MAX : now_us + timeout_us;
    for (; now_us < until_us; now_us = clock_now_us()) {
        uint64_t wait_us = until_us - now_us;
        if (watchdog_us > 0 && wait_us > watchdog_us)
            wait_us = watchdog_us;
        int wait_ms = wait_us / 1000 >= INT_MAX ? -1 : (int)(wait_us / 1000) + 1;
        struct pollfd fds[] = {{serving->signal_fd, POLLIN, 0}, {serving->loaded_fd, POLLIN, 0}};
        if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
            return SIGTERM; /* cannot be; better to end than to spin */
        if (watchdog_us > 0)
            notify_send("WATCHDOG=1");
        uint64_t times;
        if (read(serving->loaded_fd, &times, sizeof times) == sizeof times) {
            *ret_has_news = true;
            return 0;
        }
        struct signalfd_siginfo info;
        if (read(serving->signal_fd, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo != SIGHUP)
            return (int)info.ssi_signo;
        log_write(serving->log, LOG_WARN, "reload",
                  (struct log_field[]){
                      LOG_FIELD_TEXT("detail", "SIGHUP: the configuration cannot be reloaded yet; "
                                               "restart to change it"),
                      LOG_FIELD_END});
    }
    return 0;
}

/* As the signal itself would; of a container's first process only a handler can end it. */
static void end_at_once(int signal_number)
{
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
    _exit(128 + signal_number);
}

/* From here on a second signal does what it does to any program. */
static void unblock_signals(void)
{
    struct sigaction action = {.sa_handler = end_at_once, .sa_flags = SA_NODEFER};
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The time, or until the next signal; that models are there is no news any more. */
static void wait_out(struct serving *serving, uint64_t delay_us)
{
    uint64_t until_us = clock_now_us() + delay_us, now_us;
    bool has_news = true;
    if (serving->loader)
        loader_stop(serving->loader);
    while (has_news && (now_us = clock_now_us()) < until_us) {
        has_news = false;
        (void)wait_for_signal(serving, until_us - now_us, &has_news);
        if (has_news)
            hear_loader(serving);
    }
}

/* Readiness says no at once; an orchestrator that sees it late may still send requests for
 * server.drain_delay_ms, and they are answered. */
static void drain(struct serving *serving, int signal)
{
    const struct config *config = serving->config;
    service_set_state(serving->service, SERVICE_DRAINING);
    metrics_gauge_set(serving->metrics, METRICS_READY, 0);
    notify_send("STOPPING=1");
    log_event(serving, "draining", "signal", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    http_server_close_connections(serving->http);
    if (serving->is_loaded) /* it has at most a cache file to finish */
        (void)hear_loader(serving);
    unblock_signals();
    if (signal == SIGTERM)
        wait_out(serving, ms(config->server.drain_delay_ms));
    size_t aborted =
        http_server_drain(serving->http, clock_now_us() + ms(config->server.drain_timeout_ms));
    log_write(serving->log, aborted > 0 ? LOG_WARN : LOG_INFO, "stopped",
              (struct log_field[]){LOG_FIELD_INTEGER("aborted_requests", aborted), LOG_FIELD_END});
}

enum status serving_check(const struct config *config, struct error *error)
{
    struct url_policy *policy = NULL;
    struct registry *registry = NULL;
    enum status status = make_policy(config, &policy, error);
    if (!status)
        status = registry_create(config->models.values, config->models.count, &registry, error);
    registry_destroy(registry);
    url_policy_destroy(policy);
    return status;
}

enum status serving_run(const struct config *config, struct error *error)
{
    struct serving serving;
    enum status status = serving_init(&serving, config, error);
    if (!status) {
        log_event(&serving, "listening", "url", http_server_url(serving.http));
        int signal = 0;
        while (signal == 0 && !status) {
            bool has_news = false;
            signal = wait_for_signal(&serving, UINT64_MAX, &has_news);
            if (has_news)
                status = take_news(&serving, error);
        }
        if (signal)
            drain(&serving, signal);
    }
    serving_fini(&serving);
    return status;
}
