#include "server/commands/serving_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/commands/serving_policy.h"
#include "server/config/cpu_count.h"
#include "server/pipeline/lane.h"

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

static enum status open_log(struct serving_parts *parts, struct error *error)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const formats[] = {"auto", "logfmt", "json"};
    struct log_options options = {.fd = STDERR_FILENO};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(levels[i], parts->config->log.level) == 0)
            options.level = (enum log_level)i;
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(formats[i], parts->config->log.format) == 0)
            options.format = (enum log_format)i;
    return log_create(&options, &parts->log, error);
}

static enum status open_metrics(struct serving_parts *parts, struct error *error)
{
    enum status status = metrics_create(&parts->metrics, error);
    if (!status)
        metrics_gauge_watch(parts->metrics, METRICS_REQUEST_BYTES, &parts->budget.used_bytes);
    return status;
}

static enum status open_models(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
    char *folders = join(&config->model.dirs, ':');
    if (!folders)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the list of model folders");
    enum status status =
        library_init_from(&parts->library, config->model.dirs.count > 0 ? folders : NULL,
                          *config->model.catalogue ? config->model.catalogue : NULL, error);
    free(folders);
    if (status)
        return status;
    return registry_create(config->models.values, config->models.count, &parts->registry, error);
}

static enum status open_fetcher(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
    if (!config->fetch.enabled)
        return STATUS_OK;
    enum status status = serving_policy_create(config, &parts->policy, error);
    if (status)
        return status;
    struct fetcher_options options = {
        .policy = parts->policy,
        .budget = &parts->budget,
        .max_bytes = (size_t)config->fetch.max_bytes,
        .timeout_us = ms(config->fetch.timeout_ms),
        .connect_timeout_us = ms(config->fetch.connect_timeout_ms),
        .max_redirects = (unsigned)config->fetch.max_redirects,
        .max_concurrent = (unsigned)config->fetch.max_concurrent,
        .max_concurrent_per_host = (unsigned)config->fetch.max_concurrent_per_host,
        .ca_file = config->fetch.ca_file,
        .proxy = config->fetch.proxy,
    };
    return fetcher_create(&options, &parts->fetcher, error);
}

static enum status read_numa(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
    if (!config->engine.numa)
        return STATUS_OK;
    enum status status = numa_topology_init("", NULL, &parts->numa, error);
    if (!status && !lane_suits_nodes(threads_or_cpus(config->engine.threads), &parts->numa))
        numa_topology_fini(&parts->numa);
    return status;
}

/* NULL: NUMA plays no part. */
static const struct numa_topology *numa_of(const struct serving_parts *parts)
{
    return parts->numa.node_count > 0 ? &parts->numa : NULL;
}

static enum status open_pipeline(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
    struct pipeline_options options = {
        .registry = parts->registry,
        .fetcher = parts->fetcher,
        .metrics = parts->metrics,
        .prepare_threads = threads_or_cpus(config->prepare.threads),
        .engine_threads = threads_or_cpus(config->engine.threads),
        .max_batch = (size_t)config->engine.max_batch,
        .numa = numa_of(parts),
        .max_queue_delay_us = (uint64_t)config->engine.max_queue_delay_us,
        .image_limits = {.max_dimension_px = (uint32_t)config->limits.image_side_px,
                         .max_pixels = (uint64_t)config->limits.image_pixels},
        .decode_memory_bytes = (size_t)config->limits.decode_memory_bytes,
        .orient = config->prepare.orient,
        .scale_dct = config->prepare.scale_dct,
    };
    return pipeline_create(&options, &parts->pipeline, error);
}

static enum status open_http(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
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
        .adapters = parts->adapters,
        .adapter_count = sizeof parts->adapters / sizeof *parts->adapters,
        .pipeline = parts->pipeline,
        .budget = &parts->budget,
        .metrics = parts->metrics,
        .log = parts->log,
    };
    return http_server_create(&options, &parts->http, error);
}

/* Of the event threads, for /healthz. */
static void tell_memory(void *user, struct service_memory *ret_memory)
{
    const struct serving_parts *parts = user;
    size_t total, locked;
    pipeline_memory(parts->pipeline, &total, &locked);
    for (size_t i = 0; i < registry_count(parts->registry); i++) {
        const struct model *model = registry_entry_model(registry_at(parts->registry, i));
        size_t bytes = 0, locked_bytes = 0;
        if (model)
            engine_memory(model_engine(model), &bytes, &locked_bytes);
        total += bytes;
        locked += locked_bytes;
    }
    *ret_memory = (struct service_memory){.total_bytes = total, .locked_bytes = locked};
}

static enum status open_adapters(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
    struct native_options native = {.registry = parts->registry,
                                    .budget = &parts->budget,
                                    .max_images = (size_t)config->limits.images};
    enum status status = native_create(&native, &parts->native, error);
    if (status)
        return status;
    struct service_options service = {.registry = parts->registry,
                                      .metrics = parts->metrics,
                                      .cpu_threads = threads_or_cpus(config->engine.threads),
                                      .has_page = config->server.page,
                                      .memory = tell_memory,
                                      .user = parts};
    status = service_create(&service, &parts->service, error);
    if (status)
        return status;
    parts->adapters[0] = native_adapter(parts->native);
    parts->adapters[1] = service_adapter(parts->service);
    return STATUS_OK;
}

static enum status open_lane(void *user, struct registry_entry *entry, struct error *error)
{
    struct serving_parts *parts = user;
    return pipeline_open_lane(parts->pipeline, entry, error);
}

/* On the loader's thread: the main thread goes on. */
static void tell_main(void *user)
{
    const struct serving_parts *parts = user;
    serving_watch_tell(parts->watch);
}

static enum status open_loader(struct serving_parts *parts, struct error *error)
{
    const struct config *config = parts->config;
    struct loader_options options = {
        .registry = parts->registry,
        .library = &parts->library.view,
        .model = {.engine = {.kernels = config->engine.kernels,
                             .precision = config->engine.precision,
                             .threads = threads_or_cpus(config->engine.threads),
                             .lock_memory = config->engine.lock_memory,
                             .numa = numa_of(parts)},
                  .cache = config->model.cache,
                  .user_cache = parts->library.user_cache},
        .self_check = config->engine.self_check,
        .check_batch = (size_t)config->engine.max_batch,
        .check_threads = threads_or_cpus(config->engine.threads),
        .log = parts->log,
        .metrics = parts->metrics,
        .open_lane = open_lane,
        .all_ended = tell_main,
        .all_stored = tell_main,
        .user = parts,
    };
    return loader_create(&options, &parts->loader, error);
}

enum status serving_parts_init(struct serving_parts *parts, const struct config *config,
                               const struct serving_watch *watch, struct error *error)
{
    static enum status (*const steps[])(struct serving_parts *, struct error *) = {
        open_log,      open_metrics,  open_models, open_fetcher, read_numa,
        open_pipeline, open_adapters, open_http,   open_loader,
    };
    *parts = (struct serving_parts){
        .config = config,
        .watch = watch,
        .budget = {.limit_bytes = (size_t)config->limits.memory_bytes},
    };
    raise_descriptor_limit();
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !status; i++)
        status = steps[i](parts, error);
    return status;
}

void serving_parts_end_loader(struct serving_parts *parts)
{
    loader_destroy(parts->loader);
    parts->loader = NULL;
}

void serving_parts_fini(struct serving_parts *parts)
{
    serving_parts_end_loader(parts);
    http_server_destroy(parts->http);
    fetcher_destroy(parts->fetcher); /* what it still held arrives in the pipeline */
    pipeline_destroy(parts->pipeline);
    service_destroy(parts->service);
    native_destroy(parts->native);
    url_policy_destroy(parts->policy);
    registry_destroy(parts->registry);
    library_fini(&parts->library);
    numa_topology_fini(&parts->numa);
    metrics_destroy(parts->metrics);
    log_destroy(parts->log);
}
